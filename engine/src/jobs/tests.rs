//! Job lists.
