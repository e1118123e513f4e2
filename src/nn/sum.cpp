#include "nn/sum.h"

#include <ATen/TensorOperators.h>

namespace instructblip::nn {

Sum Sum::later(at::Tensor rows, at::Tensor plus) {
  Sum sum{at::Tensor()};
  sum.pending_ = std::make_shared<Pending>(Pending{{std::move(rows), std::move(plus)}});
  return sum;
}

at::Tensor Sum::value() const {
  if (!pending_) return rows_;
  if (pending_->sum.defined()) return pending_->sum;
  const Parts& parts = pending_->parts;
  settle(parts.plus + parts.rows);
  return pending_->sum;
}

const Sum::Parts* Sum::parts() const {
  return pending_ && !pending_->sum.defined() ? &pending_->parts : nullptr;
}

void Sum::settle(at::Tensor sum) const {
  pending_->sum = std::move(sum);
  pending_->parts = {};
}

}  // namespace instructblip::nn
