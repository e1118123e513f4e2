// Standard output and standard error as the command's contract has them.
#pragma once

#include <string>
#include <string_view>

namespace instructblip::cli {

// Opens /dev/null in place of standard streams that the caller has closed: no file that is opened
// later may take their numbers. Writing to a pipe that nobody reads becomes an error code.
void prepare_standard_streams();

// Standard output, unbuffered: a piece of an answer is seen when it is written.
class Output {
 public:
  Output();

  // Throws Failure(fault) where it cannot be written. Nobody reading any more is no failure: the
  // rest is dropped, and closed() tells.
  void write(std::string_view text);
  bool closed() const { return closed_; }
  bool is_terminal() const { return is_terminal_; }

 private:
  bool closed_ = false;
  bool is_terminal_;
};

// Standard error; what cannot be written there is lost.
void write_error(std::string_view text);

// Control characters but for line ends and tabs as '?': an answer must not drive the terminal.
std::string harmless(std::string_view text);

// Line ends as spaces: one line for each answer.
std::string on_one_line(std::string_view text);

}  // namespace instructblip::cli
