// The boundary of the stages: what LibTorch throws becomes an Error as well.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <utility>

#include "core/boundary.h"
#include "nn/runtime.h"

namespace instructblip {

template <typename Call>
auto guarded(Call&& call) {
  return at_boundary([&] {
    try {
      return std::forward<Call>(call)();
    } catch (const c10::Error&) {
      std::rethrow_exception(nn::translated(std::current_exception()));
    }
  });
}

}  // namespace instructblip
