#include "core/boundary.h"

#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "instructblip/error.h"

namespace instructblip {
namespace {

thread_local bool inside = false;

[[noreturn]] void throw_unexpected(const std::exception& error) {
  const std::string what = error.what();
  throw Error(ErrorCode::internal, "an unexpected failure: " + what.substr(0, what.find('\n')),
              "this is a defect of the library; please report it with the command that showed it");
}

}  // namespace

CallerScope::CallerScope() : was_inside_(std::exchange(inside, false)) {}

CallerScope::~CallerScope() { inside = was_inside_; }

BoundaryScope::BoundaryScope() : outermost_(!std::exchange(inside, true)) {}

BoundaryScope::~BoundaryScope() {
  if (outermost_) inside = false;
}

void BoundaryScope::rethrow() const {
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const ThrownByCaller& thrown) {
    if (outermost_) std::rethrow_exception(thrown.what);
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "out of memory");
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::resource_unavailable_try_again) throw_unexpected(error);
    throw Error(ErrorCode::out_of_memory, "the system starts no more threads",
                "raise what limits them (ulimit -u, ulimit -v, a container's pids)");
  } catch (const std::exception& error) {
    throw_unexpected(error);
  }
}

}  // namespace instructblip
