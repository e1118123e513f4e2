#include "end_to_end/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <system_error>

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace instructblip::test {
namespace {

constexpr auto kPatience = std::chrono::minutes(2);

struct Pipe {
  int read = -1, write = -1;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  return {ends[0], ends[1]};
}

// Both ends of a pseudo-terminal, of which a child writes into one.
Pipe make_terminal() {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0) {
    throw std::runtime_error("no pseudo-terminal");
  }
  return {master, ::open(::ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC)};
}

// A file without a name that holds `text`: unlike a pipe, it never fills up.
int file_with(const std::string& text) {
  std::FILE* file = std::tmpfile();
  if (file == nullptr) throw std::runtime_error("no temporary file");
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);
  const int descriptor = ::fcntl(::fileno(file), F_DUPFD_CLOEXEC, 0);
  std::fclose(file);
  ::lseek(descriptor, 0, SEEK_SET);
  return descriptor;
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!added.contains(text.substr(0, text.find('=')))) all.push_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& string : strings) out.push_back(string.data());
  out.push_back(nullptr);
  return out;
}

// Moves what is there to `text`; closes the descriptor at the end.
void take(int& descriptor, std::string& text) {
  std::array<char, 65536> buffer;
  const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
  if (count > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  } else if (count == 0 || errno != EINTR) {
    ::close(descriptor);
    descriptor = -1;
  }
}

}  // namespace

Process::Process(const Start& start) {
  const int input = file_with(start.input);
  const Pipe out = make_pipe(), err = start.stderr_is_terminal ? make_terminal() : make_pipe();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  if (start.close_stdout) {
    ::posix_spawn_file_actions_addclose(&actions, STDOUT_FILENO);
  } else if (!start.stdout_file.empty()) {
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, start.stdout_file.c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
  } else {
    ::posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  }
  ::posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);

  if (start.close_stdout_reader) ::close(out.read);
  std::vector<std::string> command = start.command;
  std::vector<std::string> environment = environment_with(start.environment);
  const int fault = ::posix_spawn(&pid_, command.front().c_str(), &actions, nullptr,
                                  pointers(command).data(), pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  for (const int descriptor : {input, out.write, err.write}) ::close(descriptor);
  out_ = start.close_stdout_reader ? -1 : out.read;
  err_ = err.read;
  if (fault != 0) throw std::system_error(fault, std::generic_category(), command.front());
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  for (const int descriptor : {out_, err_}) {
    if (descriptor >= 0) ::close(descriptor);
  }
}

void Process::read_some(int timeout_ms) {
  std::array<pollfd, 2> wanted{pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
  ::poll(wanted.data(), wanted.size(), timeout_ms);
  if (out_ >= 0 && wanted[0].revents != 0) take(out_, finished_.out);
  if (err_ >= 0 && wanted[1].revents != 0) take(err_, finished_.err);
}

void Process::wait_for_output(std::size_t bytes) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (out_ >= 0 && finished_.out.size() < bytes && std::chrono::steady_clock::now() < deadline) {
    read_some(100);
  }
}

void Process::wait_for_error_output(const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (err_ >= 0 && finished_.err.find(text) == std::string::npos &&
         std::chrono::steady_clock::now() < deadline) {
    read_some(100);
  }
}

void Process::signal(int number) { ::kill(pid_, number); }

Finished Process::finish() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while ((out_ >= 0 || err_ >= 0) && std::chrono::steady_clock::now() < deadline) read_some(100);
  if (out_ >= 0 || err_ >= 0) {
    ADD_FAILURE() << "the program hangs";
    ::kill(pid_, SIGKILL);
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  finished_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished_;
}

Finished run(const Start& start) { return Process(start).finish(); }

}  // namespace instructblip::test
