//! stages/neural
