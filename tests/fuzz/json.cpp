// Any JSON: what is read is written and read again.
#include "core/json.h"

#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace instructblip;  // NOLINT(google-build-using-namespace)
  return fuzz::refuse_or_read([&] {
    const Json document = Json::parse(fuzz::Input{data, size}.text(), "input");
    if (Json::parse(document.dump(), "again").dump() != document.dump()) __builtin_trap();
  });
}
