// A chat template: parsed and evaluated, by a directory that has nothing else.
#include "text/chat_template.h"

#include <cstdio>
#include <filesystem>
#include <string>

#include "fuzz/input.h"

namespace {

std::string new_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "chat_template_XXXXXX").string();
  return ::mkdtemp(name.data()) == nullptr ? std::string() : name;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace instructblip;  // NOLINT(google-build-using-namespace)
  static const std::string directory = new_directory();
  std::FILE* const file = std::fopen((directory + "/chat_template.jinja").c_str(), "wb");
  if (file == nullptr) return 0;
  std::fwrite(data, 1, size, file);
  std::fclose(file);
  return fuzz::refuse_or_read([] {
    const auto read =
        ChatTemplate::read(directory, ChatTemplate::Of::processor, TokenizerKind::llama);
    if (read) static_cast<void>(read->prompt("What is this?"));
  });
}
