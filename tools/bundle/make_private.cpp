// Makes libraries that are bundled with an installation its own, so that other copies of them may
// be in the same process. Run by `cmake --install`; edits ELF files in place.
//
//   make_private LIBRARY... -- USER...
//
// Two things would join a copy with another one, however it is opened: its name, by which the
// system's loader recognises what is loaded already, and symbols of the binding GNU_UNIQUE, of
// which a process has one each. So every LIBRARY libNAME.so gets the name ib_NAME.so, in its file
// and in those of all others and of every USER, and its unique symbols become weak ones.
#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "lib", kPrivate = "ib_";  // alike in length: edited in place

// The bytes of a 64-bit ELF file, every part of which is looked at with bounds checked.
class ElfFile {
 public:
  explicit ElfFile(const fs::path& path) : path_(path) {
    std::ifstream stream(path, std::ios::binary);
    bytes_.resize(static_cast<std::size_t>(fs::file_size(path)));
    if (!stream.read(bytes_.data(), static_cast<std::streamsize>(bytes_.size()))) fail("not read");
    const Elf64_Ehdr& head = all<Elf64_Ehdr>(0, 1).front();
    if (std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64) {
      fail("expected a 64-bit ELF file");
    }
    sections_ = all<Elf64_Shdr>(head.e_shoff, head.e_shnum);
  }

  void weaken_unique_symbols() {
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type != SHT_DYNSYM) continue;
      for (Elf64_Sym& symbol : content<Elf64_Sym>(section)) {
        if (ELF64_ST_BIND(symbol.st_info) != STB_GNU_UNIQUE) continue;
        symbol.st_info = ELF64_ST_INFO(STB_WEAK, ELF64_ST_TYPE(symbol.st_info));
      }
    }
  }

  // Its own name and those of the libraries that it needs, where they are among `names`.
  void rename(const std::vector<std::string>& names) {
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type != SHT_DYNAMIC || section.sh_link >= sections_.size()) continue;
      const std::span<char> strings = content<char>(sections_[section.sh_link]);
      for (const Elf64_Dyn& entry : content<Elf64_Dyn>(section)) {
        if (entry.d_tag != DT_NEEDED && entry.d_tag != DT_SONAME) continue;
        if (entry.d_un.d_val >= strings.size()) fail("a name lies outside its table");
        const std::span<char> rest = strings.subspan(entry.d_un.d_val);
        const std::string_view name(rest.data(), ::strnlen(rest.data(), rest.size()));
        if (std::ranges::find(names, name) == names.end()) continue;
        std::ranges::copy(kPrivate, rest.begin());
      }
    }
  }

  // Beside the old one first: a process that has it open keeps what it has.
  void save(const fs::path& to) const {
    const fs::path part = to.string() + ".part";
    std::ofstream stream(part, std::ios::binary | std::ios::trunc);
    stream.write(bytes_.data(), static_cast<std::streamsize>(bytes_.size()));
    stream.close();
    if (!stream) fail("not written");
    fs::permissions(part, fs::status(path_).permissions());
    fs::rename(part, to);
    if (to != path_) fs::remove(path_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(path_.string() + ": " + what);
  }

  template <typename T>
  std::span<T> all(std::size_t offset, std::size_t count) {
    if (offset > bytes_.size() || count > (bytes_.size() - offset) / sizeof(T)) {
      fail("a table lies outside the file");
    }
    return {reinterpret_cast<T*>(bytes_.data() + offset), count};
  }

  template <typename T>
  std::span<T> content(const Elf64_Shdr& section) {
    return all<T>(section.sh_offset, section.sh_size / sizeof(T));
  }

  fs::path path_;
  std::vector<char> bytes_;
  std::span<Elf64_Shdr> sections_;
};

void make_private(std::span<const fs::path> libraries, std::span<const fs::path> users) {
  std::vector<std::string> names;
  for (const fs::path& library : libraries) {
    names.push_back(library.filename().string());
    if (!names.back().starts_with(kPrefix)) {
      throw std::runtime_error(library.string() + ": expected a name that begins with lib");
    }
  }
  for (std::size_t i = 0; i < libraries.size(); ++i) {
    ElfFile file(libraries[i]);
    file.weaken_unique_symbols();
    file.rename(names);
    file.save(libraries[i].parent_path() /
              (std::string(kPrivate) + names[i].substr(kPrefix.size())));
  }
  for (const fs::path& user : users) {
    ElfFile file(user);
    file.rename(names);
    file.save(user);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<fs::path> arguments(argv + 1, argv + argc);
  const auto split = std::ranges::find(arguments, fs::path("--"));
  if (split == arguments.begin() || split == arguments.end()) {
    std::cerr << "usage: make_private LIBRARY... -- USER...\n";
    return 2;
  }
  make_private({arguments.begin(), split}, {split + 1, arguments.end()});
} catch (const std::exception& fault) {
  std::cerr << "make_private: " << fault.what() << '\n';
  return 1;
}
