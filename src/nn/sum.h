// Rows with a residual.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <utility>

namespace instructblip::nn {

// Rows, or rows and a residual that is still to be added to them: a device may do it in the launch
// of the norm that reads the sum. Cheap to copy; copies share the sum once it has been made. Not
// shared between threads.
class Sum {
 public:
  Sum(at::Tensor rows) : rows_(std::move(rows)) {}  // NOLINT(google-explicit-constructor)
  // What is still to be added.
  struct Parts {
    at::Tensor rows, plus;
  };
  static Sum later(at::Tensor rows, at::Tensor plus);

  at::Tensor value() const;
  operator at::Tensor() const { return value(); }  // NOLINT(google-explicit-constructor)

  const Parts* parts() const;  // null: nothing is left
  // `sum` is what they add up to.
  void settle(at::Tensor sum) const;

 private:
  struct Pending {
    Parts parts;
    at::Tensor sum = {};
  };
  at::Tensor rows_;
  std::shared_ptr<Pending> pending_;
};

}  // namespace instructblip::nn
