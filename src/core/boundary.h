// The boundary of every public call: nothing but Error leaves the library, except what a caller's
// own callback throws.
#pragma once

#include <exception>
#include <utility>

namespace instructblip {

// What a caller's callback threw, on its way through the library: no std::exception, so that
// nothing inside takes it for a failure of its own.
struct ThrownByCaller {
  std::exception_ptr what;
};

// A caller's own code inside a call: calls that it makes are no part of that one.
class CallerScope {
 public:
  CallerScope();
  ~CallerScope();
  CallerScope(const CallerScope&) = delete;
  CallerScope& operator=(const CallerScope&) = delete;

 private:
  bool was_inside_;
};

// Calls a caller's callback from inside a boundary.
template <typename Call>
auto call_back(Call&& call) {
  const CallerScope scope;
  try {
    return std::forward<Call>(call)();
  } catch (...) {
    throw ThrownByCaller{std::current_exception()};
  }
}

// A call inside the library; the outermost one of a thread is the boundary.
class BoundaryScope {
 public:
  BoundaryScope();
  ~BoundaryScope();
  BoundaryScope(const BoundaryScope&) = delete;
  BoundaryScope& operator=(const BoundaryScope&) = delete;

  // Throws what is being caught as the caller shall see it: as an Error or, at the boundary itself,
  // as what a callback threw. In a catch block only.
  [[noreturn]] void rethrow() const;

 private:
  bool outermost_;
};

// Calls `call`; may be called inside itself. Tensor work has its errors translated where it runs,
// see nn::Runtime::run().
template <typename Call>
auto at_boundary(Call&& call) {
  const BoundaryScope scope;
  try {
    return std::forward<Call>(call)();
  } catch (...) {
    scope.rethrow();
  }
}

}  // namespace instructblip
