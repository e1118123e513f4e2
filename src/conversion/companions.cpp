#include "conversion/companions.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "core/errors.h"
#include "core/file.h"
#include "core/limits.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

// Folders of a model's directory that belong to it as its files do.
constexpr std::array<std::string_view, 2> kFolders = {"qformer_tokenizer", "chat_templates"};

// Settings and vocabularies: *.json, spiece.model, merges.txt, chat_template.jinja. Not an
// adapter's config: what is written has the adapter merged, and would be taken for what is still
// without it.
bool is_companion(const std::string& name) {
  if (name == "adapter_config.json" || name == "trainer_state.json") return false;
  constexpr std::array<std::string_view, 4> kEnds = {".json", ".model", ".txt", ".jinja"};
  const auto ends = [&](std::string_view end) { return name.ends_with(end); };
  if (name.ends_with(".index.json")) return false;
  return std::ranges::any_of(kEnds, ends) || name.starts_with("LICENSE");
}

void write_text(const fs::path& file, std::string_view text) {
  write_file_atomically(file, [&](const ByteSink& sink) { sink(std::as_bytes(std::span(text))); });
}

void copy_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  for (fs::directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!is_companion(name) || !fs::is_regular_file(it->path())) continue;
    write_text(to / name, read_file(it->path(), limits::kTokenizerBytes, ErrorCode::bad_model));
  }
  if (error) {
    throw Error(ErrorCode::io, printable(from.string()) + ": cannot be listed: " + error.message());
  }
}

}  // namespace

void copy_companions(const fs::path& from, const fs::path& to, const Json::Edits& edits) {
  copy_folder(from, to);
  if (!edits.empty()) {
    write_text(to / "config.json", Json::read(from / "config.json").with(edits));
  }
  for (const std::string_view folder : kFolders) {
    if (!is_present(from / folder)) continue;
    std::error_code error;
    fs::create_directory(to / folder, error);
    if (error) {
      throw Error(ErrorCode::io,
                  printable((to / folder).string()) + ": cannot be written: " + error.message());
    }
    copy_folder(from / folder, to / folder);
  }
}

}  // namespace instructblip
