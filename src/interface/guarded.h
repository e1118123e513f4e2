// The last line of every public call.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <utility>

#include "instructblip/error.h"
#include "nn/runtime.h"

namespace instructblip {

// Nothing but Error leaves the library, except what a caller's own callback throws.
template <typename Call>
auto guarded(Call&& call) {
  try {
    return std::forward<Call>(call)();
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "out of memory");
  } catch (const c10::Error&) {
    std::rethrow_exception(nn::translated(std::current_exception()));
  }
}

}  // namespace instructblip
