// The members of a zip archive whose members are stored as they are, which torch.save() writes.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace instructblip {

// Member name -> its bytes, inside `file`. The name of the archive's folder is taken off. Throws
// Error(bad_model), naming `name`: no zip archive, a compressed or encrypted member, an extent that
// leaves the file, two members of one name, a name that leaves the folder.
std::map<std::string, std::span<const std::byte>> read_zip_members(std::span<const std::byte> file,
                                                                   const std::string& name);

}  // namespace instructblip
