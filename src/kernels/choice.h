// Kernels that the user forces by name.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/machine.h"

namespace instructblip::kernels {

// Stands for no kernel of a device at all: what it computes is a composition then, or the host's.
inline constexpr std::string_view kNoKernel = "none";

class Choice {
 public:
  // Forces nothing.
  Choice() = default;

  // "linear=fixed_order_avx2,paged_attention=reference", or "norm=none" of a device; empty forces
  // nothing. `source` names the
  // option or variable in errors. Throws Error(invalid_argument) for an operation or a kernel that
  // `machine` does not have or lacks the means for, and for an operation named twice.
  static Choice parse(std::string_view text, std::string_view source,
                      const Machine& machine = this_machine());

  // What the variable INSTRUCTBLIP_KERNELS said when it was first asked for; throws as parse(). It
  // may name a kernel of the processor and one of CUDA devices for each operation; each forces what
  // it is an entry of.
  static const Choice& of_environment();

  // The forced kernel of an operation, of the processor or else of a device; empty where none is.
  std::string_view forced(std::string_view operation) const;
  bool forces(std::string_view operation, std::string_view kernel) const;

  // These, and those of `other` for operations that this one leaves alone.
  Choice or_else(const Choice& other) const;

 private:
  // Throws where the operation is there already.
  void add(std::string_view operation, std::string_view kernel, std::string_view source);

  std::vector<std::pair<std::string, std::string>> forced_;  // operation, kernel
};

// Throws the Error(invalid_argument) of a forced kernel that does not fit.
[[noreturn]] void throw_unfit(std::string_view operation, std::string_view kernel,
                              std::string_view reason);

// Throws the Error(internal) of a problem that no kernel of the operation takes.
[[noreturn]] void throw_none(std::string_view operation);

}  // namespace instructblip::kernels
