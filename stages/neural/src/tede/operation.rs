//! Layers of a TEDE as single operations of burn, each with an analytic gradient in place of a recorded one.
//!
//! Recorded, the layers of the study's network are many hundreds of small operations, and a GPU waits for the host to start
//! them. Backends without kernels of their own compute the same formulas in tensor operations.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};

use crate::kernels::attention::AttentionShape;

/// Added to the variance; PyTorch's and the study's value.
pub(crate) const EPSILON: f64 = 1e-5;

/// What dropout leaves of attention weights: a factor for each.
///
/// # Shapes
/// Conditions x heads x tokens x tokens.
pub(crate) type Mask<B> = Option<Tensor<B, 4>>;

/// A backend with its own way through the layers.
pub(crate) trait LayerBackend: Backend {
    /// gain (x - mean) / sqrt(variance + 1e-5) + shift for every row (Ba et al., arXiv:1607.06450).
    ///
    /// # Shapes
    /// `x`: rows x n, as the result; `gain`, `shift`: n.
    fn norm(x: Tensor<Self, 2>, gain: Tensor<Self, 1>, shift: Tensor<Self, 1>) -> Tensor<Self, 2> {
        norm(x, gain, shift)
    }

    /// Derivatives of some quantity L with respect to (x, gain, shift), given `upstream` = dL / dy.
    ///
    /// # Shapes
    /// As [`Self::norm`]; `upstream` as `x`.
    fn norm_backward(
        x: Tensor<Self, 2>,
        gain: Tensor<Self, 1>,
        upstream: Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 1>, Tensor<Self, 1>) {
        let width = gain.dims()[0];
        let centred = x.clone() - x.mean_dim(1);
        let inverse = ((centred.clone() * centred.clone()).mean_dim(1) + EPSILON).sqrt().recip();
        let normalised = centred * inverse.clone();
        let scaled = upstream.clone() * gain.unsqueeze();
        let along = normalised.clone() * (scaled.clone() * normalised.clone()).mean_dim(1);
        let dx = (scaled.clone() - scaled.mean_dim(1) - along) * inverse;
        let dgain = (upstream.clone() * normalised).sum_dim(0).reshape([width]);
        (dx, dgain, upstream.sum_dim(0).reshape([width]))
    }

    /// x times the normal distribution function of x.
    fn gelu(x: Tensor<Self, 2>) -> Tensor<Self, 2> {
        burn::tensor::activation::gelu(x)
    }

    /// Derivative with respect to x, given `upstream`.
    fn gelu_backward(x: Tensor<Self, 2>, upstream: Tensor<Self, 2>) -> Tensor<Self, 2> {
        let below = ((x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
        let density = (x.clone() * x.clone() * -0.5).exp() * (1.0 / (2.0 * std::f64::consts::PI).sqrt());
        upstream * (below + x * density)
    }

    /// Multi-head attention, as [`attend`].
    fn attend(qkv: Tensor<Self, 2>, shape: AttentionShape, mask: Mask<Self>) -> Tensor<Self, 2> {
        attend(&qkv, shape, mask)
    }

    /// Derivative with respect to `qkv`, given `upstream`.
    ///
    /// # Shapes
    /// As [`attend`]; `upstream` as its result.
    fn attend_backward(
        qkv: Tensor<Self, 2>,
        shape: AttentionShape,
        mask: Mask<Self>,
        upstream: Tensor<Self, 2>,
    ) -> Tensor<Self, 2> {
        let AttentionShape { tokens, heads, channels } = shape;
        let conditions = qkv.dims()[0] / tokens;
        let [q, k, v] = [0, 1, 2].map(|index| part(&qkv, shape, index));
        let dmixed = upstream.reshape([conditions, tokens, heads, channels]).swap_dims(1, 2);
        let scale = 1.0 / (channels as f64).sqrt();
        let weights = softmax(q.clone().matmul(k.clone().transpose()) * scale, 3);
        let keep = |all: Tensor<Self, 4>| match &mask {
            Some(mask) => all * mask.clone(),
            None => all,
        };
        let dv = keep(weights.clone()).transpose().matmul(dmixed.clone());
        let dweights = keep(dmixed.matmul(v.transpose()));
        let inner = (weights.clone() * dweights.clone()).sum_dim(3);
        let dscores = weights * (dweights - inner) * scale;
        let (dq, dk) = (dscores.clone().matmul(k), dscores.transpose().matmul(q));
        let rows = |part: Tensor<Self, 4>| part.swap_dims(1, 2).reshape([conditions * tokens, shape.width()]);
        Tensor::cat(vec![rows(dq), rows(dk), rows(dv)], 1)
    }
}

impl LayerBackend for Flex {}

/// The layers that [`LayerBackend`] has of its own, in tensors of a backend.
pub(crate) trait Layers<B: Backend> {
    /// gain (x - mean) / sqrt(variance + 1e-5) + shift for every row.
    fn norm(x: Tensor<B, 2>, gain: Tensor<B, 1>, shift: Tensor<B, 1>) -> Tensor<B, 2>;
    /// x times the normal distribution function of x.
    fn gelu(x: Tensor<B, 2>) -> Tensor<B, 2>;
    /// Multi-head attention, as [`attend`].
    fn attend(qkv: Tensor<B, 2>, shape: AttentionShape, mask: Mask<B>) -> Tensor<B, 2>;
}

/// Every operation by itself, with its own derivative where the backend records.
pub(crate) struct Plain;

impl<B: Backend> Layers<B> for Plain {
    fn norm(x: Tensor<B, 2>, gain: Tensor<B, 1>, shift: Tensor<B, 1>) -> Tensor<B, 2> {
        norm(x, gain, shift)
    }
    fn gelu(x: Tensor<B, 2>) -> Tensor<B, 2> {
        burn::tensor::activation::gelu(x)
    }
    fn attend(qkv: Tensor<B, 2>, shape: AttentionShape, mask: Mask<B>) -> Tensor<B, 2> {
        attend(&qkv, shape, mask)
    }
}

/// Each layer as one recorded operation.
pub(crate) struct Fused;

impl<B: LayerBackend, C: CheckpointStrategy> Layers<Autodiff<B, C>> for Fused {
    fn norm(
        x: Tensor<Autodiff<B, C>, 2>,
        gain: Tensor<Autodiff<B, C>, 1>,
        shift: Tensor<Autodiff<B, C>, 1>,
    ) -> Tensor<Autodiff<B, C>, 2> {
        let [x, gain, shift] = [bare(x), bare(gain), bare(shift)];
        let nodes = [x.node.clone(), gain.node.clone(), shift.node.clone()];
        let (x, gain) = (x.primitive, gain.primitive);
        let y = B::norm(wrap(x.clone()), wrap(gain.clone()), wrap(shift.primitive)).into_primitive().tensor();
        wrap(match <Norm as Backward<B, 3>>::prepare::<C>(Norm, nodes).compute_bound().stateful() {
            OpsKind::Tracked(operation) => operation.finish((x, gain), y),
            OpsKind::UnTracked(operation) => operation.finish(y),
        })
    }

    fn gelu(x: Tensor<Autodiff<B, C>, 2>) -> Tensor<Autodiff<B, C>, 2> {
        let x = bare(x);
        let y = <B as LayerBackend>::gelu(wrap(x.primitive.clone())).into_primitive().tensor();
        wrap(match <Gelu as Backward<B, 1>>::prepare::<C>(Gelu, [x.node]).compute_bound().stateful() {
            OpsKind::Tracked(operation) => operation.finish(x.primitive, y),
            OpsKind::UnTracked(operation) => operation.finish(y),
        })
    }

    fn attend(
        qkv: Tensor<Autodiff<B, C>, 2>,
        shape: AttentionShape,
        mask: Mask<Autodiff<B, C>>,
    ) -> Tensor<Autodiff<B, C>, 2> {
        let (qkv, mask) = (bare(qkv), mask.map(Tensor::inner));
        let y = B::attend(wrap(qkv.primitive.clone()), shape, mask.clone()).into_primitive().tensor();
        let mask = mask.map(|mask| mask.into_primitive().tensor());
        wrap(match <Attend as Backward<B, 1>>::prepare::<C>(Attend(shape), [qkv.node]).compute_bound().stateful() {
            OpsKind::Tracked(operation) => operation.finish((qkv.primitive, mask), y),
            OpsKind::UnTracked(operation) => operation.finish(y),
        })
    }
}

fn norm<B: Backend>(x: Tensor<B, 2>, gain: Tensor<B, 1>, shift: Tensor<B, 1>) -> Tensor<B, 2> {
    let centred = x.clone() - x.mean_dim(1);
    let variance = (centred.clone() * centred.clone()).mean_dim(1);
    centred / (variance + EPSILON).sqrt() * gain.unsqueeze() + shift.unsqueeze()
}

/// Queries, keys or values; conditions x heads x tokens x channels.
fn part<B: Backend>(qkv: &Tensor<B, 2>, shape: AttentionShape, index: usize) -> Tensor<B, 4> {
    let AttentionShape { tokens, heads, channels } = shape;
    let part = qkv.clone().narrow(1, index * shape.width(), shape.width());
    part.reshape([qkv.dims()[0] / tokens, tokens, heads, channels]).swap_dims(1, 2)
}

/// mixed_i = sum_j softmax_j(q_i k_j / sqrt(channels)) v_j, each weight times its factor in the mask.
///
/// # Shapes
/// `qkv`: (conditions tokens) x 3 width; the result: (conditions tokens) x width.
fn attend<B: Backend>(qkv: &Tensor<B, 2>, shape: AttentionShape, mask: Mask<B>) -> Tensor<B, 2> {
    let rows = qkv.dims()[0];
    let [q, k, v] = [0, 1, 2].map(|index| part(qkv, shape, index));
    let weights = softmax(q.matmul(k.transpose()) / (shape.channels as f64).sqrt(), 3);
    let kept = match mask {
        Some(mask) => weights * mask,
        None => weights,
    };
    kept.matmul(v).swap_dims(1, 2).reshape([rows, shape.width()])
}

fn bare<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

fn wrap<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

#[derive(Debug)]
struct Norm;

impl<B: LayerBackend> Backward<B, 3> for Norm {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, operation: Ops<Self::State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let upstream = gradients.consume::<B>(&operation.node);
        let (x, gain) = operation.state;
        let (dx, dgain, dshift) = B::norm_backward(wrap(x), wrap(gain), wrap(upstream));
        let found = [bare(dx), bare(dgain), bare(dshift)];
        for (parent, found) in operation.parents.into_iter().zip(found) {
            if let Some(parent) = parent {
                gradients.register::<B>(parent.id, found);
            }
        }
    }
}

#[derive(Debug)]
struct Gelu;

impl<B: LayerBackend> Backward<B, 1> for Gelu {
    type State = FloatTensor<B>;

    fn backward(self, operation: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let upstream = gradients.consume::<B>(&operation.node);
        let [parent] = operation.parents;
        if let Some(parent) = parent {
            let found = <B as LayerBackend>::gelu_backward(wrap(operation.state), wrap(upstream));
            gradients.register::<B>(parent.id, bare(found));
        }
    }
}

#[derive(Debug)]
struct Attend(AttentionShape);

impl<B: LayerBackend> Backward<B, 1> for Attend {
    type State = (FloatTensor<B>, Option<FloatTensor<B>>);

    fn backward(self, operation: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let upstream = gradients.consume::<B>(&operation.node);
        let ((qkv, mask), [parent]) = (operation.state, operation.parents);
        if let Some(parent) = parent {
            let found = B::attend_backward(wrap(qkv), self.0, mask.map(wrap), wrap(upstream));
            gradients.register::<B>(parent.id, bare(found));
        }
    }
}
