// The boundary of the library: nothing but Error leaves it, except what a caller's own callback
// throws.
#pragma once

#include <new>
#include <utility>

#include "instructblip/error.h"

namespace instructblip {

// Calls `call`. What the stages throw has become an Error on their side already.
template <typename Call>
auto at_boundary(Call&& call) {
  try {
    return std::forward<Call>(call)();
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "out of memory");
  }
}

}  // namespace instructblip
