// Folders that are not what they seem: what training, downloads and other programs leave.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip {

// Whether a file of this name holds no weights of a model, whatever it ends in: what trainers and
// peft leave beside them (optimizer.pt, rng_state.pth, training_args.bin, adapter_model.bin), and
// programs of OpenVINO.
bool is_never_weights(std::string_view name);

// The number of shards of which a file named "model-00001-of-00003.safetensors" is one; 1 for any
// other name.
int shards_of(std::string_view name);

// Names in a folder, sorted; none where it cannot be read.
std::vector<std::string> names_in(const std::filesystem::path& folder);

// What a folder is that lacks what was looked for: `what` reads on from "no weights in this
// directory", and both are empty where nothing is known about it.
struct FolderKind {
  std::string what;
  std::string hint;
};
FolderKind kind_of_folder(const std::filesystem::path& folder);

// The same of a file that is given as weights and holds none, by its name.
FolderKind kind_of_file(const std::filesystem::path& file);

// Whether it is a folder with an adapter_config.json.
bool has_adapter(const std::filesystem::path& folder);

// Throws Error(bad_model), naming what the adapter is for.
[[noreturn]] void fail_for_adapter(const std::filesystem::path& folder,
                                   const std::string& expected);

// The name of a file beside `file` that shows that its download has not ended; empty where there is
// none.
std::string unfinished_download_of(const std::filesystem::path& file);

}  // namespace instructblip
