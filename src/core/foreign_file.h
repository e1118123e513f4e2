// What people find in the place of a file: pointers, web pages, archives, files of other programs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "instructblip/error.h"

namespace instructblip {

struct ForeignFile {
  std::string what;  // with its article: "a Git LFS pointer"
  std::string hint;  // what to do about it
};

// Recognises a content that is never a part of a checkpoint, whatever the file is called, by how it
// begins. None for anything else: it may still be damaged, or of another kind of checkpoint file.
// `content` may be the whole file or its first thousand bytes.
std::optional<ForeignFile> recognise_foreign(std::string_view content);
// The same of a file on the disk; none as well where it cannot be read, which opening it reports.
std::optional<ForeignFile> recognise_foreign_file(const std::filesystem::path& file);

// As recognise_foreign(), and weights: safetensors, files of torch.save() and NumPy's. For places
// of texts, tokenizers and pictures.
std::optional<ForeignFile> recognise_foreign_or_weights(std::string_view content);

// Whether it begins as safetensors do: the length of a header, and the header's brace.
bool begins_as_safetensors(std::string_view content);

// Throws Error(code) "NAME: a Git LFS pointer, expected `expected`" where there is one.
void refuse_foreign(const std::optional<ForeignFile>& foreign, const std::string& name,
                    const std::string& expected, ErrorCode code = ErrorCode::bad_model);

}  // namespace instructblip
