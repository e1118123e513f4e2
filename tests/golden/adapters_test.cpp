// LoRA adapters that peft wrote, merged at load: the answers of peft's own merge, and every way in
// which an adapter can fail to fit. The data and the script that made it: make_adapters.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "checkpoint/tensor_store.h"
#include "golden/golden_requests.h"
#include "support/expect_error.h"
#include "support/lavis_names.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using namespace test;  // NOLINT: golden requests, files to write

const fs::path kAdapters = kCheckpoints.parent_path() / "adapters";

std::vector<std::string> adapter_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kAdapters)) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

class AdapterTest : public testing::TestWithParam<std::string> {};

TEST_P(AdapterTest, AnswersAsPeftMerged) {
  const Json golden = Json::read(kAdapters / GetParam() / "golden.json");
  LoadOptions options;
  for (const Json& name : golden.at("adapters").elements()) {
    options.adapters.push_back(kAdapters / name.string());
  }
  const Pipeline pipeline =
      Pipeline::load(kCheckpoints / golden.at("checkpoint").string(), options);
  const std::vector<Json> requests = golden.at("requests").elements();
  ASSERT_GE(requests.size(), 5u);
  for (const Json& request : requests) {
    SCOPED_TRACE(request.at("name").string());
    expect_equal(pipeline.generate(images_of(request), request.at("instruction").string(),
                                   options_of(request.at("options"))),
                 request);
  }
}

INSTANTIATE_TEST_SUITE_P(Adapters, AdapterTest, testing::ValuesIn(adapter_names()),
                         [](const auto& test) { return test.param; });

TEST(Adapters, AreNamedWhereTensorsComeFrom) {
  LoadOptions options;
  options.weights = false;
  options.adapters = {kAdapters / "t5_whole"};
  const Pipeline pipeline = Pipeline::load(kCheckpoints / "t5_2024", options);
  const std::string adapter = kAdapters / "t5_whole/adapter_model.safetensors";
  int merged = 0;
  for (const TensorInfo& tensor : pipeline.info().tensors) {
    if (tensor.name == "language_projection.weight") {
      EXPECT_EQ(tensor.file, adapter);
    }
    if (tensor.file.find(" + ") == std::string::npos) continue;
    EXPECT_TRUE(tensor.file.ends_with(" + " + adapter)) << tensor.file;
    EXPECT_EQ(tensor.dtype, "F32");
    ++merged;
  }
  EXPECT_EQ(merged, 31);
}

// --- adapters that are changed

// A copy of an adapter, to be changed.
class Copy {
 public:
  using Tensors = std::vector<SavedTensor>;

  explicit Copy(const std::string& name = "t5_whole") : from_(kAdapters / name) {
    fs::copy(from_ / "adapter_config.json", directory_.path());
    const TensorStore store = TensorStore::open_file(from_ / "adapter_model.safetensors");
    for (const TensorEntry& entry : store.entries()) tensors_.push_back(saved(entry));
  }

  fs::path path() const { return directory_.path(); }
  Tensors& tensors() { return tensors_; }
  SavedTensor& tensor(std::string_view part) {
    return *std::ranges::find_if(tensors_, [&](const SavedTensor& tensor) {
      return tensor.name.find(part) != std::string::npos;
    });
  }
  void configure(const std::string& from, const std::string& to) const {
    std::string config = content_of(path() / "adapter_config.json");
    ASSERT_NE(config.find(from), std::string::npos) << from;
    replace_all(config, from, to);
    directory_.write("adapter_config.json", config);
  }
  void write() const {
    std::vector<TensorToWrite> out;
    for (const SavedTensor& tensor : tensors_) {
      out.push_back(
          {tensor.name, tensor.dtype, tensor.shape, std::as_bytes(std::span(tensor.bytes))});
    }
    write_safetensors(path() / "adapter_model.safetensors", out);
  }
  const TempDirectory& directory() const { return directory_; }

  std::string error(ErrorCode code, const std::string& part) const {
    return expect_error(code, part, [&] {
      LoadOptions options;
      options.adapters = {path()};
      Pipeline::load(kCheckpoints / "t5_2024", options);
    });
  }

 private:
  fs::path from_;
  TempDirectory directory_;
  Tensors tensors_;
};

constexpr const char* kQuery = "decoder.block.0.layer.0.SelfAttention.q.lora_A";

struct Fault {
  const char* name;
  ErrorCode code;
  const char* message;
  std::function<void(Copy&)> make;
};

const Fault kFaults[] = {
    {"RankOfTheConfig", ErrorCode::bad_model, "expected the rank 7 of adapter_config.json",
     [](Copy& copy) { copy.configure("\"r\": 4", "\"r\": 7"); }},
    {"RankZero", ErrorCode::bad_model, "adapter_config.json: r: expected an integer in [1,",
     [](Copy& copy) { copy.configure("\"r\": 4", "\"r\": 0"); }},
    {"AlphaNaN", ErrorCode::bad_model, "adapter_config.json: not valid JSON",
     [](Copy& copy) { copy.configure("\"lora_alpha\": 6", "\"lora_alpha\": NaN"); }},
    {"AlphaText", ErrorCode::bad_model, "lora_alpha: expected a number",
     [](Copy& copy) { copy.configure("\"lora_alpha\": 6", "\"lora_alpha\": \"6\""); }},
    {"AlphaTooLarge", ErrorCode::bad_model, "is not finite with the adapter merged",
     [](Copy& copy) { copy.configure("\"lora_alpha\": 6", "\"lora_alpha\": 1e300"); }},
    {"OtherKind", ErrorCode::unsupported, "an adapter of type 'IA3', expected 'LORA'",
     [](Copy& copy) { copy.configure("\"LORA\"", "\"IA3\""); }},
    {"OtherStart", ErrorCode::unsupported, "init_lora_weights: 'pissa'",
     [](Copy& copy) {
       copy.configure("\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa\"");
     }},
    {"Expression", ErrorCode::unsupported, "the pattern 'wi_0(?!x)', expected a regular",
     [](Copy& copy) { copy.configure("\"wi_0\": 2", "\"wi_0(?!x)\": 2"); }},
    {"ExpressionOfAnotherRank", ErrorCode::bad_model, "expected the rank 3 of adapter_config.json",
     [](Copy& copy) { copy.configure("\"wi_0\": 2", "\".*wi_[0-9]\": 3"); }},
    {"NoTensors", ErrorCode::bad_model, "an adapter of no tensors",
     [](Copy& copy) { copy.tensors().clear(); }},
    {"UnknownVariant", ErrorCode::unsupported, "use_qalora: a variant of LoRA",
     [](Copy& copy) { copy.configure("\"use_qalora\": false", "\"use_qalora\": true"); }},
    {"WithoutMagnitude", ErrorCode::bad_model, "the magnitude that use_dora asks for is missing",
     [](Copy& copy) { copy.configure("\"use_dora\": false", "\"use_dora\": true"); }},
    {"MagnitudeTooMuch", ErrorCode::bad_model, "a magnitude, though use_dora is not set",
     [](Copy& copy) {
       std::string name = copy.tensor(kQuery).name;
       replace_all(name, "lora_A.weight", "lora_magnitude_vector");
       copy.tensors().push_back({name, DType::f32, {30}, std::string(120, '\0')});
     }},
    {"WithoutA", ErrorCode::bad_model, "SelfAttention.q: lora_A is missing",
     [](Copy& copy) {
       std::erase_if(copy.tensors(), [](const SavedTensor& tensor) {
         return tensor.name.find(kQuery) != std::string::npos;
       });
     }},
    {"WithoutB", ErrorCode::bad_model, "SelfAttention.q: lora_B is missing",
     [](Copy& copy) {
       std::erase_if(copy.tensors(), [](const SavedTensor& tensor) {
         return tensor.name.find("layer.0.SelfAttention.q.lora_B") != std::string::npos;
       });
     }},
    {"OtherWidth", ErrorCode::bad_model, "do not fit the weight [30, 32]",
     [](Copy& copy) {
       copy.tensor(kQuery).shape = {4, 16};
       copy.tensor(kQuery).bytes.resize(4 * 16 * 4);
     }},
    {"OneAxis", ErrorCode::bad_model, "do not fit the weight [30, 32]",
     [](Copy& copy) { copy.tensor(kQuery).shape = {4 * 32}; }},
    {"NoAxis", ErrorCode::bad_model, "do not fit the weight [30, 32]",
     [](Copy& copy) {
       copy.tensor(kQuery).shape = {};
       copy.tensor(kQuery).bytes.resize(4);
     }},
    {"Integers", ErrorCode::bad_model, "type I32, expected F32, F16, BF16 or F64",
     [](Copy& copy) { copy.tensor(kQuery).dtype = DType::i32; }},
    {"OtherModule", ErrorCode::bad_model, "SelfAttention.query: the model has no such weight",
     [](Copy& copy) {
       for (SavedTensor& tensor : copy.tensors())
         replace_all(tensor.name, ".q.lora", ".query.lora");
     }},
    {"UnknownPart", ErrorCode::bad_model, "tensors that no LoRA adapter of such a model has",
     [](Copy& copy) { copy.tensor(kQuery).name += ".bias.more"; }},
    {"BiasOfB", ErrorCode::bad_model, "tensors that no LoRA adapter of such a model has",
     [](Copy& copy) {
       std::string name = copy.tensor(kQuery).name;
       replace_all(name, "lora_A.weight", "lora_B.bias");
       copy.tensors().push_back({name, DType::f32, {30}, std::string(120, '\0')});
     }},
    {"WithoutPrefix", ErrorCode::bad_model, "expected base_model.model.<module>.lora_A.weight",
     [](Copy& copy) { copy.tensor(kQuery).name.erase(0, std::strlen("base_model.model.")); }},
    {"WholeModuleOfNoModel", ErrorCode::bad_model, "belongs to no part of this model",
     [](Copy& copy) {
       SavedTensor other = copy.tensor("language_projection.bias");
       other.name += "es";
       copy.tensors().push_back(std::move(other));
     }},
    {"WholeModuleMissing", ErrorCode::bad_model, "does not hold them, 1: language_projection.bias",
     [](Copy& copy) {
       std::erase_if(copy.tensors(), [](const SavedTensor& tensor) {
         return tensor.name.find("language_projection.bias") != std::string::npos;
       });
     }},
    {"WholeModuleOfOtherShape", ErrorCode::bad_model, "language_projection.bias has shape [31]",
     [](Copy& copy) {
       copy.tensor("language_projection.bias").shape = {31};
       copy.tensor("language_projection.bias").bytes.resize(31 * 4);
     }},
    {"NotFinite", ErrorCode::bad_model, "is not finite with the adapter merged",
     [](Copy& copy) { copy.tensor(kQuery).bytes.replace(0, 4, "\xFF\xFF\xFF\x7F", 4); }},
};

TEST(AdapterErrors, SayWhatDoesNotFit) {
  for (const Fault& fault : kFaults) {
    SCOPED_TRACE(fault.name);
    Copy copy;
    fault.make(copy);
    copy.write();
    const std::string message = copy.error(fault.code, fault.message);
    EXPECT_LE(std::ranges::count(message, '\n'), 10) << message;
  }
}

// The same modules by other expressions: nothing changes.
TEST(Adapters, MayHaveRegularExpressionsInTheirPatterns) {
  Copy copy;
  copy.configure("\"wi_0\":", "\"(encoder|decoder)\\\\.block\\\\..*\\\\.wi_[0]\":");
  copy.write();
  LoadOptions options;
  options.adapters = {copy.path()};
  const Json request =
      Json::read(kAdapters / "t5_whole/golden.json").at("requests").elements().front();
  const Pipeline pipeline = Pipeline::load(kCheckpoints / "t5_2024", options);
  expect_equal(pipeline.generate(images_of(request), request.at("instruction").string(),
                                 options_of(request.at("options"))),
               request);
}

TEST(AdapterErrors, TellFilesThatAreNone) {
  Copy copy;
  copy.error(ErrorCode::not_found, "expected one of adapter_model.safetensors, adapter_model.bin");
  copy.write();
  const std::string whole = content_of(copy.path() / "adapter_model.safetensors");
  copy.directory().write("adapter_model.safetensors", whole.substr(0, whole.size() - 100));
  copy.error(ErrorCode::bad_model, "adapter_model.safetensors");
  fs::remove(copy.path() / "adapter_config.json");
  copy.error(ErrorCode::bad_model, "with adapter_config.json");

  LoadOptions options;
  options.adapters = {kAdapters / "nowhere"};
  expect_error(ErrorCode::not_found, "nowhere",
               [&] { Pipeline::load(kCheckpoints / "t5_2024", options); });
  expect_error(ErrorCode::bad_model, "and this one as an adapter (--lora)",
               [] { Pipeline::load(kAdapters / "t5_whole"); });
  options.adapters.clear();
  options.overlays = {kAdapters / "t5_whole"};
  expect_error(ErrorCode::bad_model, "and this one as an adapter (--lora)",
               [&] { Pipeline::load(kCheckpoints / "t5_2024", options); });
  options.overlays.clear();
  options.language_model = kAdapters / "t5_whole";
  expect_error(ErrorCode::bad_model, "a LoRA adapter, expected a language model",
               [&] { Pipeline::load(kCheckpoints / "t5_2024", options); });
}

TEST(AdapterErrors, TellTheAdapterOfAnotherModel) {
  LoadOptions options;
  options.adapters = {kAdapters / "vicuna_language"};
  const std::string message = expect_error(
      ErrorCode::bad_model, "", [&] { Pipeline::load(kCheckpoints / "t5_2024", options); });
  EXPECT_NE(message.find("vicuna_language"), std::string::npos) << message;
}

}  // namespace
}  // namespace instructblip
