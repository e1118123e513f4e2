#include "core/errors.h"

#include <array>
#include <utility>

#include "core/utf8.h"
#include "instructblip/version.h"

namespace instructblip {
namespace {

constexpr std::size_t kQuotedCharacters = 120;
constexpr std::size_t kPrintedCharacters = 1024;  // paths are shown whole
constexpr std::size_t kReportedFindings = 8;

std::string with_hint(const std::string& message, const std::string& hint) {
  return hint.empty() ? message : message + "\n  hint: " + hint;
}

void append_escaped(std::string& out, unsigned char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\x";
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

// C0 and C1 controls, and the bidirectional overrides that reorder what a terminal shows.
bool is_printable(char32_t c) {
  return c >= 0x20 && !(c >= 0x7F && c < 0xA0) && !(c >= 0x202A && c <= 0x202E) &&
         !(c >= 0x2066 && c <= 0x2069);
}

}  // namespace

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::bad_model:
      return "bad_model";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::bad_image:
      return "bad_image";
    case ErrorCode::out_of_memory:
      return "out_of_memory";
    case ErrorCode::busy:
      return "busy";
    case ErrorCode::deadline:
      return "deadline";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::io:
      return "io";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

std::string_view version() noexcept {
#define INSTRUCTBLIP_TEXT_(x) #x
#define INSTRUCTBLIP_TEXT(x) INSTRUCTBLIP_TEXT_(x)
  return INSTRUCTBLIP_TEXT(INSTRUCTBLIP_VERSION_MAJOR) "." INSTRUCTBLIP_TEXT(
      INSTRUCTBLIP_VERSION_MINOR) "." INSTRUCTBLIP_TEXT(INSTRUCTBLIP_VERSION_PATCH);
}

Error::Error(ErrorCode code, const std::string& message, std::string hint)
    : std::runtime_error(with_hint(message, hint)), code_(code), hint_(std::move(hint)) {}

namespace {

std::string escaped(std::string_view text, std::size_t most_characters) {
  std::string out;
  std::size_t characters = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    if (characters++ == most_characters) return out + "...";
    const auto decoded = utf8::decode(text.substr(at));
    if (!decoded.valid || !is_printable(decoded.code_point)) {
      for (std::size_t i = 0; i < decoded.length; ++i) {
        append_escaped(out, static_cast<unsigned char>(text[at + i]));
      }
    } else {
      out += text.substr(at, decoded.length);
    }
    at += decoded.length;
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) { return escaped(text, kPrintedCharacters); }

std::string quote(std::string_view text) { return "'" + escaped(text, kQuotedCharacters) + "'"; }

std::string braced(const std::vector<std::string>& items) {
  std::string out = "[";
  for (std::size_t i = 0; i < items.size(); ++i) out += (i == 0 ? "" : ", ") + items[i];
  return out + "]";
}

void Findings::throw_if_any(ErrorCode code, const std::string& headline,
                            const std::string& hint) const {
  if (findings_.empty()) return;
  std::string message = headline;
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    if (i == kReportedFindings) {
      message += "\n  and " + std::to_string(findings_.size() - i) + " more";
      break;
    }
    message += "\n  " + findings_[i];
  }
  throw Error(code, message, hint);
}

}  // namespace instructblip
