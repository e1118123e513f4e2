#include "cli/bus_fault.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "cli/failure.h"

namespace instructblip::cli {
namespace {

// All that follows runs inside a signal handler: no memory may be taken, nothing be locked.

void write_error_text(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// The number in hexadecimal at the beginning of `text`, which is taken off.
std::uintptr_t take_address(std::string_view& text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::uintptr_t address = 0;
  for (std::size_t digit = 0;
       !text.empty() && (digit = kDigits.find(text.front())) != std::string_view::npos;
       text.remove_prefix(1)) {
    address = address << 4 | digit;
  }
  return address;
}

// The file of a line of /proc/self/maps, proc(5), where `address` lies in its range; else empty.
std::string_view file_at(std::string_view line, std::uintptr_t address) {
  const std::uintptr_t begin = take_address(line);
  if (!line.starts_with('-')) return {};
  line.remove_prefix(1);
  const std::uintptr_t end = take_address(line);
  const std::size_t slash = line.find('/');
  if (address < begin || address >= end || slash == std::string_view::npos) return {};
  return line.substr(slash);
}

void write_name(std::string_view file) {
  for (const char byte : file) {
    const bool is_control = static_cast<unsigned char>(byte) < ' ' || byte == 0x7F;
    write_error_text(is_control ? "?" : std::string_view(&byte, 1));
  }
}

// Writes the name of the file that is mapped there, without bytes that a terminal acts on.
bool write_name_of_file_at(std::uintptr_t address) {
  static std::array<char, PATH_MAX + 256> line;
  static std::array<char, 4096> block;
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return false;
  std::size_t size = 0;
  for (ssize_t count; (count = ::read(maps, block.data(), block.size())) > 0;) {
    for (const char next : std::string_view(block.data(), static_cast<std::size_t>(count))) {
      if (next != '\n') {
        if (size < line.size()) line[size++] = next;
        continue;
      }
      const std::string_view file = file_at({line.data(), size}, address);
      size = 0;
      if (file.empty()) continue;
      write_name(file);
      return true;
    }
  }
  return false;
}

std::atomic_flag is_told;

void end(int signal, siginfo_t* fault, void*) {
  if (fault->si_code <= 0) {  // kill() sent it, and no file is to blame
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // comes when this returns
    return;
  }
  while (is_told.test_and_set()) ::pause();  // another thread says it, and ends the process
  write_error_text("\nerror: ");
  if (!write_name_of_file_at(reinterpret_cast<std::uintptr_t>(fault->si_addr))) {
    write_error_text("a mapped file");
  }
  write_error_text(
      ": became shorter, or could not be read, while the model was in use\n"
      "  hint: put a new file in its place by renaming it, and never write into one that is in "
      "use\n");
  ::_exit(static_cast<int>(ExitCode::model));
}

}  // namespace

void explain_bus_faults() {
  struct sigaction action {};
  action.sa_sigaction = end;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace instructblip::cli
