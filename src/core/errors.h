// Helpers to write error messages in one voice: what is concerned, expected, got, what to do.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "instructblip/error.h"

namespace instructblip {

// `text` in single quotes, cut at 120 characters, control bytes and invalid UTF-8 escaped as \xNN,
// so that a name taken from input cannot drive the user's terminal.
std::string quote(std::string_view text);

// As quote(), without the quotes and cut at 1024 characters: for paths and keys that stand at the
// head of a message.
std::string printable(std::string_view text);

// "[2, 3]".
std::string braced(const std::vector<std::string>& items);

// Collects findings of one class and throws them together.
class Findings {
 public:
  void add(std::string finding) { findings_.push_back(std::move(finding)); }
  bool empty() const { return findings_.empty(); }
  std::size_t size() const { return findings_.size(); }

  // Throws Error(code) with `headline`, at most eight findings, "and N more" and `hint`; returns
  // when there is nothing to report.
  void throw_if_any(ErrorCode code, const std::string& headline,
                    const std::string& hint = {}) const;

 private:
  std::vector<std::string> findings_;
};

}  // namespace instructblip
