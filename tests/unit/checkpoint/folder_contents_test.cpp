// Folders that are not what they seem.
#include "checkpoint/folder_contents.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "checkpoint/tensor_store.h"
#include "config/model_config.h"
#include "support/expect_error.h"
#include "support/safetensors_builder.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::safetensors_of;
using test::TempDirectory;

struct Row {
  const char* name;
  std::vector<const char*> files;  // a name that ends in a slash is a folder
  const char* what;
  const char* hint;
};

const Row kRows[] = {
    {"Browser",
     {"config.json", "model.safetensors.crdownload"},
     "a download that has not ended: 'model.safetensors.crdownload'",
     "goes on where it stopped"},
    {"Wget", {"pytorch_model.bin.part"}, "has not ended: 'pytorch_model.bin.part'", "once more"},
    {"HubClient",
     {".cache/", ".cache/huggingface/", ".cache/huggingface/download/",
      ".cache/huggingface/download/x.0a1b.incomplete", "config.json"},
     "has not ended: '.cache/huggingface/download/x.0a1b.incomplete'",
     "once more"},
    {"DeepSpeed",
     {"global_step500/", "latest", "rng_state_0.pth"},
     "shards of DeepSpeed",
     "zero_to_fp32.py"},
    {"DeepSpeedStep",
     {"zero_pp_rank_0_mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_optim_states.pt"},
     "shards of DeepSpeed",
     "zero_to_fp32.py"},
    {"Fsdp", {"__0_0.distcp", ".metadata"}, "(FSDP): '__0_0.distcp'", "accelerate merge-weights"},
    {"FsdpInside",
     {"pytorch_model_fsdp_0/", "pytorch_model_fsdp_0/__0_0.distcp", "trainer_state.json"},
     "(FSDP): 'pytorch_model_fsdp_0/__0_0.distcp'",
     "accelerate merge-weights"},
    {"TensorFlow", {"tf_model.h5", "config.json"}, "weights of TensorFlow", "from_tf=True"},
    {"Flax", {"flax_model.msgpack"}, "weights of Flax", "from_flax=True"},
    {"Onnx", {"onnx_model.onnx"}, "a program of ONNX", "files for PyTorch"},
    {"Gguf", {"ggml-model-q4_k.gguf"}, "(GGUF)", "files for PyTorch"},
    {"OpenVino", {"openvino_model.bin", "openvino_model.xml"}, "OpenVINO", "files for PyTorch"},
    {"Training",
     {"checkpoint-500/", "checkpoint-1000/", "runs/"},
     "what a training wrote: 'checkpoint-1000'",
     "checkpoint-1000"},
    {"HubCache",
     {"blobs/", "refs/", "snapshots/", "snapshots/0a1b2c/"},
     "the hub's cache",
     "snapshots/0a1b2c"},
    {"OneFurtherDown",
     {"instructblip/", "instructblip/config.json"},
     "there is a model in 'instructblip'",
     "/instructblip"},
    {"Diffusers", {"model_index.json", "unet/"}, "diffusers", "no diffusion models"},
    {"AdapterWithoutConfig",
     {"adapter_model.bin"},
     "a LoRA adapter: 'adapter_model.bin'",
     "--lora"},
    {"Optimizer",
     {"optimizer.pt", "scheduler.pt", "trainer_state.json"},
     "what a trainer leaves to go on with: 'optimizer.pt'",
     "the model itself"},
    {"Accelerate", {"optimizer.bin", "random_states_0.pkl"}, "what a trainer leaves", "saved"},
    {"Page",
     {".git/", ".gitattributes", "README.md"},
     "the page of a model without its files",
     "git lfs pull"},
    {"Attributes", {".gitattributes"}, "the page of a model without its files", "git lfs pull"},
    {"Empty", {}, "it is empty", ""},
};

class FolderKinds : public testing::TestWithParam<Row> {};

TEST_P(FolderKinds, AreNamedWithWhatToDo) {
  const TempDirectory directory;
  for (const std::string name : GetParam().files) {
    if (name.ends_with('/')) {
      fs::create_directory(directory / name);
    } else {
      directory.write(name, "{}");
    }
  }
  const FolderKind kind = kind_of_folder(directory.path());
  EXPECT_NE(kind.what.find(GetParam().what), std::string::npos) << kind.what;
  EXPECT_NE(kind.hint.find(GetParam().hint), std::string::npos) << kind.hint;
  // And both are said wherever such a folder is given.
  const auto expect_both = [&](const auto& open) {
    const std::string message = expect_error(ErrorCode::not_found, GetParam().what, open);
    EXPECT_NE(message.find(directory.path().string()), std::string::npos) << message;
  };
  expect_both([&] { TensorStore::open(directory.path()); });
  EXPECT_FALSE(TensorStore::has_weights(directory.path()));
  fs::remove(directory / "config.json");
  expect_both([&] { read_model_config(directory.path()); });
}

INSTANTIATE_TEST_SUITE_P(Rows, FolderKinds, testing::ValuesIn(kRows),
                         [](const auto& test) { return test.param.name; });

TEST(FolderContents, KnowWhatIsLeftBesideWeights) {
  for (const char* name :
       {"optimizer.pt", "optimizer.bin", "scheduler.pt", "rng_state.pth", "rng_state_7.pth",
        "scaler.pt", "training_args.bin", "adapter_model.safetensors", "random_states_0.pkl",
        "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"}) {
    EXPECT_TRUE(is_never_weights(name)) << name;
  }
  for (const char* name : {"pytorch_model.bin", "mp_rank_00_model_states.pt", "checkpoint_3.pth",
                           "mm_projector.bin", "epoch=3.ckpt"}) {
    EXPECT_FALSE(is_never_weights(name)) << name;
  }
}

TEST(FolderContents, KnowFilesThatAreNoWeightsByTheirNames) {
  const std::pair<const char*, const char*> rows[] = {
      {"model.safetensors.incomplete", "a download that has not ended"},
      {"tf_model.h5", "weights of TensorFlow"},
      {"optimizer.pt", "what a trainer leaves"},
      {"bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt", "shards of DeepSpeed"},
      {"__0_0.distcp", "(FSDP)"},
  };
  for (const auto& [name, what] : rows) {
    EXPECT_NE(kind_of_file(fs::path("folder") / name).what.find(what), std::string::npos) << name;
  }
  for (const char* name : {"pytorch_model.bin", "mp_rank_00_model_states.pt", "x.pth", "weights",
                           "adapter_model.bin", "non_lora_trainables.bin"}) {
    EXPECT_EQ(kind_of_file(fs::path("folder") / name).what, "") << name;
  }
}

TEST(FolderContents, CountShardsByTheNameOfOne) {
  EXPECT_EQ(shards_of("model-00002-of-00003.safetensors"), 3);
  EXPECT_EQ(shards_of("pytorch_model-00001-of-00001.bin"), 1);
  for (const char* name : {"model.safetensors", "best-of-5.pth", "-of-3", "1-of-", "1-of-x",
                           "1-of-99999999999999999999"}) {
    EXPECT_EQ(shards_of(name), 1) << name;
  }
}

// --- a store is opened from what is whole, or not at all

TEST(FolderContents, WeightsAreFoundBesideWhatATrainerLeaves) {
  const TempDirectory directory;
  directory.write("step.safetensors", safetensors_of({{"x", {1}}}));
  for (const char* name : {"optimizer.safetensors", "adapter_model.safetensors"}) {
    directory.write(name, safetensors_of({{"y", {1}}}));
  }
  EXPECT_NE(TensorStore::open(directory.path()).find("x"), nullptr);
}

TEST(FolderContents, OneShardIsNotTheWhole) {
  const TempDirectory directory;
  directory.write("model-00001-of-00003.safetensors", safetensors_of({{"x", {1}}}));
  expect_error(ErrorCode::bad_model, "one of 3 shards",
               [&] { TensorStore::open(directory.path()); });
  directory.write("model.safetensors.index.json",
                  R"({"weight_map": {"x": "model-00001-of-00003.safetensors",
                      "y": "model-00002-of-00003.safetensors",
                      "z": "model-00003-of-00003.safetensors"}})");
  expect_error(ErrorCode::not_found, "of whose 3 shards 2 are missing",
               [&] { TensorStore::open(directory.path()); });
  directory.write("model-00002-of-00003.safetensors.incomplete", "");
  expect_error(ErrorCode::not_found, "there is 'model-00002-of-00003.safetensors.incomplete'",
               [&] { TensorStore::open(directory.path()); });
}

// aria2 takes the whole room of a file at once: its header may be there, and its tensors zeros.
TEST(FolderContents, AFileWhoseDownloadGoesOnIsNotRead) {
  for (const MappedFile::Access access : {MappedFile::Access::map, MappedFile::Access::copy}) {
    const TempDirectory directory;
    directory.write("model.safetensors", safetensors_of({{"x", {1}}}));
    EXPECT_NE(TensorStore::open(directory.path(), access).find("x"), nullptr);
    directory.write("model.safetensors.aria2", "");
    expect_error(ErrorCode::bad_model, "model.safetensors: its download has not ended",
                 [&] { TensorStore::open(directory.path(), access); });
  }
}

// Lightning's DeepSpeed strategy, and the zero_to_fp32.py of today.
TEST(FolderContents, AFolderOfAFilesNameIsNamedAsWhatItIs) {
  const TempDirectory directory;
  fs::create_directories(directory / "epoch=3.ckpt/checkpoint");
  directory.write("epoch=3.ckpt/zero_to_fp32.py", "");
  const std::string message =
      expect_error(ErrorCode::bad_model,
                   "epoch=3.ckpt: expected a regular file, got a directory (shards of Deep",
                   [&] { TensorStore::open(directory.path()); });
  EXPECT_NE(message.find("zero_to_fp32.py"), std::string::npos) << message;
  fs::create_directory(directory / "pytorch_model.bin");
  directory.write("pytorch_model.bin/model.safetensors", safetensors_of({{"x", {1}}}));
  const std::string of_output =
      expect_error(ErrorCode::bad_model, "pytorch_model.bin: expected a regular file",
                   [&] { TensorStore::open(directory.path()); });
  EXPECT_NE(of_output.find("lay it over the model (--overlay)"), std::string::npos) << of_output;
}

TEST(FolderContents, AnEmptyFileIsNamedAsOne) {
  for (const char* name : {"model.safetensors", "pytorch_model.bin", "only.ckpt"}) {
    const TempDirectory directory;
    directory.write(name, "");
    const std::string message =
        expect_error(ErrorCode::bad_model, ": an empty file, expected weights",
                     [&] { TensorStore::open(directory.path()); });
    EXPECT_NE(message.find(directory / name), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace instructblip
