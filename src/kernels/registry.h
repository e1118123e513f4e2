// What the tables of kernels have in common: one table for each operation, best entry first.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>

#include "kernels/choice.h"
#include "kernels/machine.h"

namespace instructblip::kernels {

// Whether an entry fits: yes, or the reason why not, "this processor has no AVX-512".
class [[nodiscard]] Support {
 public:
  static constexpr Support yes() { return Support(nullptr); }
  // It fits, and leaves such a problem to others unless it is forced.
  static constexpr Support where_forced() {
    Support support(nullptr);
    support.where_forced_ = true;
    return support;
  }
  // `reason` is a literal.
  static constexpr Support no(const char* reason) { return Support(reason); }
  // The machine has what the entry needs: it is the problem whose sizes do not fit.
  static constexpr Support not_such_sizes(const char* reason) {
    Support support(reason);
    support.other_sizes_ = true;
    return support;
  }

  constexpr explicit operator bool() const { return reason_ == nullptr; }
  constexpr bool is_where_forced() const { return where_forced_; }
  constexpr bool takes_other_sizes() const { return other_sizes_; }
  constexpr std::string_view reason() const { return reason_ == nullptr ? "" : reason_; }

 private:
  constexpr explicit Support(const char* reason) : reason_(reason) {}
  const char* reason_;
  bool where_forced_ = false;
  bool other_sizes_ = false;
};

// What an entry promises beyond its contract.
struct Traits {
  // The bits of a row are the same whatever is computed beside it, at any number of threads.
  bool row_invariant = false;
};

// What a caller asks of an entry.
struct Wanted {
  const Choice* choice = &Choice::of_environment();
  const Machine* machine = &this_machine();
  bool row_invariant = false;
  bool may_compose = false;  // sizes that a forced entry does not take are no error
};

// The name of the entry that `choice` forces in this table; empty where it forces none, or one of
// another machine's. Kernel has kOperation and name.
template <class Kernel>
std::string_view forced_in(std::span<const Kernel> kernels, const Choice& choice) {
  for (const Kernel& kernel : kernels) {
    if (choice.forces(Kernel::kOperation, kernel.name)) return kernel.name;
  }
  return {};
}

// The entry that `wanted.choice` forces, else the first that fits `problem`; null where none does:
// a problem that not even "reference" takes, or one for compositions. Throws
// Error(invalid_argument) where the forced one does not fit, but for what may be composed. An entry
// that is forced in the table of another machine forces nothing in this one. Kernel has kOperation,
// name, traits and supports().
template <class Kernel, class Problem>
const Kernel* choose(std::span<const Kernel> kernels, const Problem& problem,
                     const Wanted& wanted = {}) {
  const std::string_view forced = forced_in(kernels, *wanted.choice);
  for (const Kernel& kernel : kernels) {
    if (!forced.empty() && kernel.name != forced) continue;
    Support support = kernel.supports(problem, *wanted.machine);
    if (support && wanted.row_invariant && !kernel.traits.row_invariant) {
      support = Support::no("its bits depend on what is computed beside a row");
    }
    if (support && (!support.is_where_forced() || !forced.empty())) return &kernel;
    if (!forced.empty() && wanted.may_compose && support.takes_other_sizes()) return nullptr;
    if (!forced.empty()) throw_unfit(Kernel::kOperation, forced, support.reason());
  }
  return nullptr;
}

}  // namespace instructblip::kernels
