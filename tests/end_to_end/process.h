// Runs a program and looks at all that can be seen of it from outside.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace instructblip::test {

struct Finished {
  int exit_code = -1;  // 128 + signal where a signal ended it, as shells have it
  std::string out, err;
};

// How a child is started.
struct Start {
  std::vector<std::string> command;
  std::string input = {};                               // its standard input
  std::string stdout_file = {};                         // instead of a pipe
  bool close_stdout = false;                            // start without a standard output
  bool close_stdout_reader = false;                     // a pipe that nobody reads
  bool stderr_is_terminal = false;                      // instead of a pipe
  std::map<std::string, std::string> environment = {};  // added to ours
};

// A running child whose output is collected.
class Process {
 public:
  explicit Process(const Start& start);
  ~Process();  // killed where it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Reads until standard output holds at least `bytes`, or has ended.
  void wait_for_output(std::size_t bytes);
  // Reads until standard error holds `text`, or has ended.
  void wait_for_error_output(const std::string& text);
  void signal(int number);
  // Reads to the end, and reaps. Fails the test and kills after two minutes.
  Finished finish();

 private:
  void read_some(int timeout_ms);

  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  Finished finished_;
};

Finished run(const Start& start);

}  // namespace instructblip::test
