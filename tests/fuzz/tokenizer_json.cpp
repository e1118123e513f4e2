// A tokenizer.json, with every stage that it may name.
#include "text/tokenizer_json.h"

#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace instructblip;  // NOLINT(google-build-using-namespace)
  return fuzz::refuse_or_read([&] {
    read_tokenizer_json(Json::parse(fuzz::Input{data, size}.text(), "input"));
  });
}
