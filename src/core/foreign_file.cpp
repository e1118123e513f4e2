#include "core/foreign_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <utility>

#include "core/errors.h"

namespace instructblip {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kLookedAt = 1024;  // bytes; the mark of a tar archive lies at 257
constexpr std::size_t kShownBytes = 60;  // how much of a server's message

constexpr std::string_view kDownload =
    "download the file itself: a page's address has /blob/ where the file's has /resolve/, and a "
    "file behind a login needs a token";
constexpr std::string_view kUnpack = "unpack it, and give what was in it";
constexpr std::string_view kGguf =
    "GGUF is not read: give the checkpoint from which it was made, a directory with config.json, "
    "tokenizers and *.safetensors";
constexpr std::string_view kOtherFramework =
    "weights are read from *.safetensors and from what torch.save() writes: download or save those";

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  std::string_view what, hint;
};

constexpr std::array kSignatures = {
    Signature{0, "version https://git-lfs"sv, "a Git LFS pointer",
              "it stands for the file itself: run 'git lfs pull' in its directory, or download it"},
    Signature{0, "version http://git-media"sv, "a Git LFS pointer",
              "it stands for the file itself: run 'git lfs pull' in its directory, or download it"},
    Signature{0, "/annex/objects/"sv, "a git-annex pointer",
              "it stands for the file itself: run 'git annex get' in its directory"},
    Signature{0, "../../blobs/"sv, "a link of the Hugging Face cache, written out as a text",
              "it stands for a file of the cache: copy with links followed (cp -rL), or download"},
    Signature{0, "GGUF"sv, "a GGUF file", kGguf},
    Signature{0, "FUGG"sv, "a GGUF file", kGguf},
    Signature{0, "lmgg"sv, "a GGML file", kGguf},
    Signature{0, "tjgg"sv, "a GGML file", kGguf},
    Signature{0, "fmgg"sv, "a GGML file", kGguf},
    Signature{0, "\x89HDF\r\n"sv, "an HDF5 file, such as weights of TensorFlow", kOtherFramework},
    Signature{0, "\x1F\x8B\x08"sv, "a gzip archive", kUnpack},
    Signature{0, "BZh"sv, "a bzip2 archive", kUnpack},
    Signature{0, "\xFD\x37zXZ\0"sv, "an xz archive", kUnpack},
    Signature{0, "\x28\xB5\x2F\xFD"sv, "a zstd archive", kUnpack},
    Signature{0, "\x04\x22\x4D\x18"sv, "an lz4 archive", kUnpack},
    Signature{0, "7z\xBC\xAF\x27\x1C"sv, "a 7z archive", kUnpack},
    Signature{0, "Rar!\x1A\x07"sv, "a rar archive", kUnpack},
    Signature{0, "PK\x05\x06"sv, "an empty zip archive", kDownload},
    Signature{257, "ustar"sv, "a tar archive", kUnpack},
};

// How the answers of servers begin that are saved in place of a file, in small letters.
constexpr std::array kServerTexts = {
    "entry not found"sv,
    "repository not found"sv,
    "access to model"sv,
    "access denied"sv,
    "not found"sv,
    "invalid username or password"sv,
    "404"sv,
    "401"sv,
    "403"sv,
    "unauthorized"sv,
    "forbidden"sv,
    "temporary redirect"sv,
    "found. redirecting to"sv,
    "moved permanently"sv,
    "bad gateway"sv,
    "internal server error"sv,
    "too many requests"sv,
    "service unavailable"sv,
    "gateway time"sv,
    "rate limit"sv,
};

std::string_view without_space(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

std::string first_line(std::string_view text) {
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  return quote(line.substr(0, kShownBytes));
}

// A short text that is nothing but what a server said. Longer ones, such as lists of words that
// begin alike, are files.
std::optional<ForeignFile> server_text(std::string_view text) {
  constexpr std::size_t kLongest = 512;
  constexpr std::ptrdiff_t kMostLines = 5;
  if (text.size() > kLongest || std::ranges::count(text, '\n') > kMostLines) return std::nullopt;
  const std::string small = lowered(text);
  for (const std::string_view start : kServerTexts) {
    if (!small.starts_with(start)) continue;
    return ForeignFile{"a server's message, " + first_line(text), std::string(kDownload)};
  }
  return std::nullopt;
}

// {"error": "Entry not found"}: the first key says so, and has a text or an object for a value.
// Vocabularies, whose words can be these too, have numbers.
std::optional<ForeignFile> server_json(std::string_view text) {
  constexpr std::size_t kLongest = 4096;
  if (text.size() > kLongest || !text.starts_with('{')) return std::nullopt;
  const std::string_view inside = without_space(text.substr(1));
  for (const std::string_view key :
       {R"("error")", R"("detail")", R"("message")", R"("statusCode")"}) {
    if (!inside.starts_with(key)) continue;
    const std::string_view value = inside.substr(key.size());
    const std::size_t at = value.find_first_not_of(": \t\r\n");
    if (at == std::string_view::npos ||
        std::string_view("\"{[").find(value[at]) == std::string_view::npos)
      continue;
    return ForeignFile{"a server's message, " + first_line(text), std::string(kDownload)};
  }
  return std::nullopt;
}

std::optional<ForeignFile> document(std::string_view text) {
  constexpr std::size_t kLongestTag = 64;
  const std::string small = lowered(text.substr(0, kLongestTag));
  for (const std::string_view tag : {"<!doctype", "<html", "<head", "<body"}) {
    if (small.starts_with(tag)) return ForeignFile{"a web page", std::string(kDownload)};
  }
  for (const std::string_view tag : {"<?xml", "<error"}) {
    if (!small.starts_with(tag)) continue;
    return ForeignFile{"an XML document, such as a server's message", std::string(kDownload)};
  }
  if (auto message = server_json(text)) return message;
  return server_text(text);
}

}  // namespace

bool begins_as_safetensors(std::string_view content) {
  constexpr std::size_t kLengthBytes = 8;
  if (content.size() <= kLengthBytes || content[kLengthBytes] != '{') return false;
  // Less than 2^32: the upper half is zero, which no text is.
  return content.substr(4, 4) == "\0\0\0\0"sv;
}

std::optional<ForeignFile> recognise_foreign(std::string_view content) {
  // The length of a header may begin like anything.
  if (begins_as_safetensors(content)) return std::nullopt;
  for (const Signature& row : kSignatures) {
    if (content.size() >= row.offset && content.substr(row.offset, row.bytes.size()) == row.bytes) {
      return ForeignFile{std::string(row.what), std::string(row.hint)};
    }
  }
  const std::string_view begin = content.substr(0, kLookedAt);
  if (begin.size() >= 16 && begin.find_first_not_of('\0') == std::string_view::npos) {
    return ForeignFile{"a file that begins with nothing but zeros",
                       "its download was broken off: download it again"};
  }
  return document(without_space(content));
}

std::optional<ForeignFile> recognise_foreign_file(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return std::nullopt;
  std::ifstream in(file, std::ios::binary);
  std::string begin(kLookedAt, '\0');
  in.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  begin.resize(static_cast<std::size_t>(in.gcount()));
  return recognise_foreign(begin);
}

std::optional<ForeignFile> recognise_foreign_or_weights(std::string_view content) {
  if (auto foreign = recognise_foreign(content)) return foreign;
  constexpr std::string_view kPlace = "it is weights, in the place of another file";
  if (begins_as_safetensors(content)) {
    return ForeignFile{"a safetensors file", std::string(kPlace)};
  }
  if (content.starts_with("PK\x03\x04")) {
    return ForeignFile{"a zip archive, such as torch.save() writes", std::string(kUnpack)};
  }
  if (content.starts_with("\x80\x02") || content.starts_with("\x80\x04")) {
    return ForeignFile{"a Python pickle", std::string(kPlace)};
  }
  return std::nullopt;
}

void refuse_foreign(const std::optional<ForeignFile>& foreign, const std::string& name,
                    const std::string& expected, ErrorCode code) {
  if (!foreign) return;
  throw Error(code, printable(name) + ": " + foreign->what + ", expected " + expected,
              foreign->hint);
}

}  // namespace instructblip
