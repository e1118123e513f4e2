// Rows of files of torch.save(): the archive, the pickle, the tensors.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "checkpoint/tensor_store.h"
#include "malformed/malformed.h"
#include "support/safetensors_builder.h"
#include "support/torch_builder.h"

namespace instructblip {
namespace {

using namespace test;  // NOLINT: pieces of files on every line

constexpr const char* kName = "pytorch_model.bin";
constexpr ErrorCode kBad = ErrorCode::bad_model;
constexpr ErrorCode kUnsupported = ErrorCode::unsupported;

using Make = std::function<void(const TempDirectory&)>;

Make bytes(std::string content) {
  return [content = std::move(content)](const TempDirectory& d) { d.write(kName, content); };
}
Make body(const std::string& pickle) { return bytes(torch_file_of(pickle_of(pickle))); }
Make value(const std::string& pickled) {
  return body(pickled_dictionary(pickled_text("w") + pickled));
}
Make tensor(const PickledTensorOf& of) { return bytes(torch_file_of(of)); }

// `at` counts from the end of the file.
Make with_end_changed(std::size_t at, const std::string& to) {
  std::string file = torch_file_of(PickledTensorOf{});
  file.replace(file.size() - at, to.size(), to);
  return bytes(file);
}

// One storage of 64 x 64 floats as columns, under many names.
std::string many_views(int count) {
  std::string items;
  for (int i = 0; i < count; ++i) {
    items += pickled_text(std::to_string(i)) +
             pickled_tensor({.storage_elements = 4096, .shape = {64, 64}, .strides = {1, 64}});
  }
  return torch_file_of(pickle_of(pickled_dictionary(items)), std::string(16384, '\0'));
}

const std::string kTensor = pickled_tensor({});
const std::string kItem = pickled_text("w") + kTensor;

// A file of before PyTorch 1.6, up to the names of its storages.
const std::string kLegacyTensor = legacy_system() + pickle_of(pickled_dictionary(kItem));
std::string legacy_names(const std::string& name) {
  return pickle_of("](" + pickled_text(name) + "e");
}

// A torch.Size: a call whose value is passed over.
const std::string kOpaque = "ctorch\nSize\n(K\x01K\x02t\x85R";

std::string from_type(const std::string& function, const std::string& arguments) {
  return "ctorch._tensor\n_rebuild_from_type_v2\n(" + function + "ctorch\nTensor\n" + arguments +
         "}tR";
}

// Four elements whose type stands beside their storage.
std::string typed_tensor(const std::string& storage_type, int elements, const std::string& type) {
  return "ctorch._utils\n_rebuild_tensor_v3\n((" + pickled_text("storage") +
         (storage_type == "UntypedStorage" ? "ctorch.storage\n" : "ctorch\n") + storage_type +
         "\n" + pickled_text("0") + pickled_text("cpu") + pickled_integer(elements) + "tQ" +
         pickled_integer(0) + "K\x04\x85K\x01\x85\x89}" + type + "tR";
}

const MalformedRow kRows[] = {
    // the format of before PyTorch 1.6
    {"LegacyCutInAStorage", kBad, "ends in the middle of storage '0'",
     bytes(legacy_file().substr(0, legacy_file().size() - 1))},
    {"LegacyCutBeforeAStorage", kBad, "ends before storage '0'",
     bytes(legacy_file_of(kLegacyTensor + legacy_names("0"), "\x04\0\0"))},
    {"LegacyStorageOfTwoToThe63", kBad, "ends in the middle of storage '0'",
     bytes(legacy_file_of(kLegacyTensor + legacy_names("0"),
                          little_endian(std::uint64_t{1} << 63, 8) + std::string(16, 'x')))},
    {"LegacyStorageThatNobodyUses", kBad, "storage '1' is not used by any tensor",
     bytes(legacy_file_of(kLegacyTensor + legacy_names("1"), legacy_storage()))},
    {"LegacyStorageThatIsNotThere", kBad, "tensor 'w': no storage '0'",
     bytes(legacy_file_of(kLegacyTensor + pickle_of("]"), ""))},
    {"LegacyStorageOfAnotherSize", kBad, "storage '0' holds 8 bytes, expected 4 elements",
     bytes(legacy_file_of(kLegacyTensor + legacy_names("0"),
                          little_endian(2, 8) + std::string(8, 'x')))},
    {"LegacyStorageTwice", kBad, "storage '0' twice",
     bytes(legacy_file_of(
         kLegacyTensor + pickle_of("](" + pickled_text("0") + pickled_text("0") + "e"),
         legacy_storage() + legacy_storage()))},
    {"LegacyBytesLeft", kBad, "1 bytes behind the last storage", bytes(legacy_file() + "x")},
    {"LegacyBigEndian", kBad, "byte order 'big'",
     bytes(legacy_file_of(
         legacy_system(false) + pickle_of(pickled_dictionary(kItem)) + legacy_names("0"),
         legacy_storage()))},
    {"LegacyNamesAreNoList", kBad, "no list of storages",
     bytes(legacy_file_of(kLegacyTensor + pickle_of("}"), legacy_storage()))},
    {"LegacyNameIsNoText", kBad, "the name of a storage is no text",
     bytes(legacy_file_of(kLegacyTensor + pickle_of("](K\x01"
                                                    "e"),
                          legacy_storage()))},
    {"LegacyPartOfAStorage", kUnsupported, "a part of another one",
     bytes(legacy_file_of(
         legacy_system() +
             pickle_of(pickled_dictionary(
                 pickled_text("w") + "ctorch._utils\n_rebuild_tensor_v2\n((" +
                 pickled_text("storage") + "ctorch\nFloatStorage\n" + pickled_text("0") +
                 pickled_text("cpu") + "K\x04" + "(K\x01K\x02K\x03ttQ" + "K\x00))\x89}tR")) +
             legacy_names("0"),
         legacy_storage()))},
    {"LegacyCall", kUnsupported, "'os.system'",
     bytes(legacy_file_of(legacy_system() + pickle_of("cos\nsystem\n(" + pickled_text("x") + "tR") +
                              legacy_names("0"),
                          legacy_storage()))},
    {"LegacyEndsBehindItsMagic", kBad, "the pickle ends in the middle",
     bytes(legacy_file_of("", ""))},

    // the archive
    {"Empty", kBad, "an empty file, expected weights", bytes("")},
    {"Text", kBad, "expected what torch.save() writes", bytes("hello")},
    {"Safetensors", kBad, "safetensors, expected what torch.save() writes as its name says",
     bytes(safetensors_file("{}"))},
    {"ZipOfSomethingElse", kBad, "a zip archive, but none that torch.save() writes",
     bytes("PK\x03\x04 model/readme.txt")},
    {"SevenZip", kBad, "a 7z archive", bytes("7z\xBC\xAF\x27\x1C and so on")},
    {"Gguf", kBad, "a GGUF file", bytes("GGUF and so on")},
    {"WebPage", kBad, "a web page", bytes("\n<html><body>Sign in</body></html>")},
    {"Xml", kBad, "an XML document", bytes("<?xml version=\"1.0\"?><Error/>")},
    {"LfsPointer", kBad, "Git LFS pointer", bytes("version https://git-lfs.github.com/spec/v1\n")},
    {"BareMagic", kBad, "no end of a zip archive", bytes("PK\x03\x04 data.pkl")},
    {"PickleOfSomethingElse", kUnsupported, "a pickle that torch.save() has not written",
     bytes("\x80\x02\x8a\x0al\xfc\x9c\x46")},
    {"PickleOfNoSuffix", kUnsupported, "a pickle that torch.save() has not written",
     [](const TempDirectory& d) { d.write("last.ckpt", "\x80\x04\x95" + std::string(9, ' ')); }},
    {"CutShort", kBad, "no end of a zip archive",
     bytes(torch_file_of(PickledTensorOf{}).substr(0, 300))},
    {"DirectoryBeyondTheFile", kBad, "leaves the file", with_end_changed(6, "\xFF\xFF\xFF\x7F")},
    {"DirectoryElsewhere", kBad, "directory of the zip archive is damaged",
     with_end_changed(6, little_endian(0, 4))},
    {"MoreMembersThanThereAre", kBad, "leaves the file",
     with_end_changed(12, little_endian(60000, 2))},
    {"Compressed", kBad, "is compressed", bytes(zip_of({{"data.pkl", "x", 8}}))},
    {"Encrypted", kBad, "is encrypted", bytes(zip_of({{"data.pkl", "x", 0, 1}}))},
    {"TwoMembersOfOneName", kBad, "two members",
     bytes(zip_of({{"a", "x"}, {"a", "y"}, {"data.pkl", ""}}))},
    {"MemberAbove", kBad, "expected one folder", bytes(zip_of({{"../a", "data.pkl"}}))},
    {"MemberAtTheRoot", kBad, "expected one folder", bytes(zip_of({{"data.pkl", "x"}}, ""))},
    {"MemberWithBackslash", kBad, "expected one folder", bytes(zip_of({{"a\\b", "data.pkl"}}))},
    {"NoPickle", kBad, "no data.pkl", bytes(zip_of({{"version", "data.pkl"}}))},
    {"TorchScript", kUnsupported, "TorchScript",
     bytes(zip_of({{"data.pkl", pickle_of(pickled_dictionary(kItem))}, {"constants.pkl", "x"}}))},
    {"BigEndian", kBad, "byte order 'big'",
     bytes(zip_of({{"data.pkl", pickle_of(pickled_dictionary(kItem))}, {"byteorder", "big"}}))},
    // the pickle
    {"PickleEmpty", kBad, "ends in the middle", bytes(torch_file_of(""))},
    {"PickleWithoutEnd", kBad, "ends in the middle", bytes(torch_file_of("\x80\x02}"))},
    {"NothingOnTheStack", kBad, "stack is empty", body("")},
    {"Protocol0", kUnsupported, "opcode 100", bytes(torch_file_of("(dp0\n."))},
    {"Protocol1", kUnsupported, "pickle protocol 1", bytes(torch_file_of("\x80\x01}."))},
    {"Protocol6", kUnsupported, "pickle protocol 6", bytes(torch_file_of("\x80\x06}."))},
    {"System", kUnsupported, "'os.system', which no dictionary",
     body("cos\nsystem\n" + pickled_text("id") + "\x85R")},
    {"Posix", kUnsupported, "'posix.system'", body("cposix\nsystem\n")},
    {"Builtin", kUnsupported, "'builtins.eval'", body("cbuiltins\neval\n")},
    {"StackGlobal", kUnsupported, "'os.system'", body("\x8c\x02os\x8c\x06system\x93")},
    {"StackGlobalOfNumbers", kBad, "global name that is no text", body("K\x01K\x02\x93")},
    {"GlobalThatIsAlmostKnown", kUnsupported, "'torch._utils._rebuild_tensor_v'",
     body("ctorch._utils\n_rebuild_tensor_v\n")},
    {"GlobalWithoutAnEnd", kBad, "ends in the middle",
     bytes(torch_file_of("\x80\x02"
                         "ctorch"))},
    {"CallOfANumber", kBad, "no function", body("K\x01)R")},
    {"CallWithoutATuple", kBad, "no function", body("ccollections\nOrderedDict\nK\x01R")},
    {"CallOfAStorageType", kUnsupported, "calls 'FloatStorage'", body("ctorch\nFloatStorage\n)R")},
    {"OrderedDictWithItems", kUnsupported, "OrderedDict with arguments",
     body("ccollections\nOrderedDict\n]\x85R")},
    {"BuildOfANumber", kBad, "expected a dictionary", body("K\x01}b")},
    {"BuildWithANumber", kUnsupported, "no dictionary",
     body("}K\x01"
          "b")},
    {"NewObject", kUnsupported, "an object of type 'OrderedDict'",
     body("ccollections\nOrderedDict\n)\x81")},
    {"NewObjectOfANumber", kBad, "no type", body("K\x01)\x81")},
    {"NewObjectWithoutATuple", kBad, "no type", body("cargparse\nNamespace\nK\x01\x81")},
    {"NewObjectNamedByNumbers", kBad, "no dictionary", body("cargparse\nNamespace\n)K\x01\x92")},
    {"NewTensor", kUnsupported, "an object of type '_rebuild_tensor_v2'",
     body("ctorch._utils\n_rebuild_tensor_v2\n)\x81")},
    {"Instance", kUnsupported, "opcode 105", body("(ios\nsystem\n")},
    {"Object", kUnsupported, "opcode 111", body("(o")},
    {"Extension", kUnsupported, "opcode 130", body("\x82\x01")},
    {"TextLongerThanTheFile", kBad, "ends in the middle", body("X" + little_endian(65535, 4))},
    {"TextOfGigabytes", kBad, "expected at most", body("X\xFF\xFF\xFF\xFF")},
    {"TextNotUtf8", kBad, "not UTF-8", body("X" + little_endian(1, 4) + "\xFF")},
    {"IntegerLongerThanTheFile", kBad, "ends in the middle", body("\x8a\xC8")},
    {"IntegerOfGigabytes", kBad, "ends in the middle", body("\x8b\xFF\xFF\xFF\xFF")},
    {"BytesLongerThanTheFile", kBad, "ends in the middle", body("B" + little_endian(65535, 4))},
    {"BytesOfExabytes", kBad, "ends in the middle", body("\x8e" + std::string(8, '\xFF'))},
    {"ByteArrayOfExabytes", kBad, "ends in the middle", body("\x96" + std::string(8, '\xFF'))},
    {"TextOfExabytes", kBad, "expected at most", body("\x8d" + std::string(8, '\xFF'))},
    {"MemoBeforeItIsThere", kBad, "before it is there", body("h\x05")},
    {"MemoOfNothing", kBad, "stack is empty", body("q\x05")},
    {"AppendToANumber", kBad, "expected a list",
     body("K\x01K\x02"
          "a")},
    {"ItemOfANumber", kBad, "expected a dictionary", body("K\x01K\x02K\x03s")},
    {"KeyWithoutAValue", kBad, "without its value", body("}(K\x01u")},
    {"MarkMissing", kBad, "mark of the pickle is missing", body("}u")},
    {"TakenFromBelowAMark", kBad, "stack is empty", body("}(\x85")},
    {"MarksInsideMarks", kBad, "inside one another", body(repeated("(", 2000))},
    {"ManyValues", kBad, "more than", body(repeated("N", 300'000))},
    {"ListsInsideLists", kBad, "more than", body(repeated("]", 300'000))},
    {"TopIsAList", kBad, "no dictionary at the top", body("]")},
    {"NoTensors", kBad, "no tensors", body("}")},
    {"OnlyNumbers", kBad, "no tensors", value("K\x01")},
    {"ModelWithoutTensors", kBad, "no tensors",
     body(pickled_dictionary(pickled_text("model") + "}"))},
    // values that are passed over
    {"GlobalBesideKnownOnes", kUnsupported, "'builtins.getattr'", body("cbuiltins\ngetattr\n")},
    {"GlobalOfNumpy", kUnsupported, "'numpy.load'", body("cnumpy\nload\n")},
    {"GlobalInsideAKnownOne", kUnsupported, "'argparse.Namespace.x'",
     body("\x8c\x08"
          "argparse"
          "\x8c\x0bNamespace.x\x93")},
    {"OpaqueAtTheTop", kBad, "no dictionary at the top", body(kOpaque)},
    {"OpaqueAsTheWeight", kBad, "no tensors", value(kOpaque)},
    {"OpaqueAsTheModel", kBad, "no tensors",
     body(pickled_dictionary(pickled_text("model") + kOpaque))},
    {"OpaqueAsAKey", kBad, "no tensors", body(pickled_dictionary(kOpaque + kTensor))},
    {"OpaqueHoldingTheWeight", kBad, "no tensors",
     body(pickled_dictionary(pickled_text("model") + kOpaque + "(" + kItem + "u"))},
    {"OpaqueAsAStorage", kBad, "tensor without a storage",
     value("ctorch._utils\n_rebuild_tensor_v2\n(" + kOpaque + pickled_integer(0) +
           "K\x04\x85K\x01\x85tR")},
    {"OpaqueAsAStorageId", kBad, "no storage", value(kOpaque + "Q")},
    {"OpaqueAsAStorageType", kBad, "without an element type",
     value("(" + pickled_text("storage") + kOpaque + pickled_text("0") + pickled_text("cpu") +
           "K\x04tQ")},
    {"InertAsAStorageType", kBad, "without an element type",
     value("(" + pickled_text("storage") + "ctorch\nSize\n" + pickled_text("0") +
           pickled_text("cpu") + "K\x04tQ")},
    {"OpaqueAsAShape", kBad, "no tuple",
     value("ctorch._utils\n_rebuild_tensor_v2\n(" + pickled_storage({}) + pickled_integer(0) +
           kOpaque + "K\x01\x85tR")},
    {"OpaqueAsASize", kBad, "no integer",
     value("ctorch._utils\n_rebuild_tensor_v2\n(" + pickled_storage({}) + pickled_integer(0) +
           kOpaque + "\x85K\x01\x85tR")},
    {"OpaqueAsAParameter", kBad, "parameter without a tensor",
     value("ctorch._utils\n_rebuild_parameter\n" + kOpaque + "\x85R")},
    {"OpaqueCalled", kBad, "no function", value(kOpaque + ")R")},
    {"CallWithOpaqueArguments", kBad, "no function", value("ctorch\nSize\n" + kOpaque + "R")},
    {"CallOfAnElementType", kUnsupported, "calls 'float32'", value("ctorch\nfloat32\n)R")},
    {"OpaqueOutsideTheSet", kBad, "expected a set", value("}(K\x01\x90")},
    {"SetItemsWithoutAMark", kBad, "mark of the pickle is missing", body("\x8f\x90")},
    {"OpaqueKeyWithoutAValue", kBad, "without its value", value(kOpaque + "(K\x01u")},
    {"OpaqueInsideOpaque", kBad, "no tensors",
     value(repeated("cargparse\nNamespace\n", 5000) + ")" + repeated("\x81\x85", 4999) + "\x81")},
    {"OpaqueBuiltAgainAndAgain", kBad, "more than", value(kOpaque + repeated("}b", 300'000))},
    {"OpaqueWithoutEnd", kBad, "more than", value(repeated("\x8f", 300'000))},
    {"SetsInsideSets", kBad, "inside one another", value(repeated("\x8f(", 2000))},
    {"DefaultDictOfAnother", kUnsupported, "defaultdict with arguments",
     value("ccollections\ndefaultdict\n}\x85R")},
    {"FromTypeOfNothing", kBad, "a tensor of no type", value(from_type("N", ")"))},
    {"FromTypeOfItself", kUnsupported, "calls '_rebuild_from_type_v2'",
     value(from_type("ctorch._tensor\n_rebuild_from_type_v2\n", ")"))},
    {"FromTypeWithoutAStorage", kBad, "tensor without a storage",
     value(from_type("ctorch._utils\n_rebuild_tensor_v2\n", ")"))},
    {"FromTypeWithManyArguments", kBad, "a call with 300 arguments",
     value(from_type("ctorch._utils\n_rebuild_tensor_v2\n", "(" + repeated("N", 300) + "t"))},
    {"TypedTensorOfNoType", kUnsupported, "no weights",
     value(typed_tensor("UntypedStorage", 16, "N"))},
    {"TypedTensorOfComplex", kUnsupported, "no weights",
     value(typed_tensor("UntypedStorage", 16, "ctorch\ncomplex64\n"))},
    {"TypedTensorOfHalfElements", kBad, "not of whole elements",
     value(typed_tensor("UntypedStorage", 15, "ctorch\nfloat32\n"))},
    {"TypedTensorOfTypedStorage", kBad, "not of whole elements",
     value(typed_tensor("LongStorage", 2, "ctorch\nfloat32\n"))},
    {"TypedTensorTooLarge", kBad, "leave its storage",
     value(typed_tensor("UntypedStorage", 16, "ctorch\nfloat64\n"))},
    {"LongNameOfAStorage", kBad, "a storage whose name has 5000 bytes",
     tensor({.storage = std::string(5000, 'x')})},
    {"LongNameOfATensor", kBad, "a key of 5000 bytes", tensor({.name = std::string(5000, 'x')})},

    // the tensors
    {"StorageIsAText", kBad, "no storage", value(pickled_text("x") + "Q")},
    {"StorageWithoutAType", kBad, "without an element type",
     value("(" + pickled_text("storage") + "N" + pickled_text("0") + pickled_text("cpu") +
           "K\x04tQ")},
    {"StorageOfAFunction", kBad, "without an element type",
     value("(" + pickled_text("storage") + "ccollections\nOrderedDict\n" + pickled_text("0") +
           pickled_text("cpu") + "K\x04tQ")},
    {"StorageOfAnUnknownType", kUnsupported, "'torch.ComplexFloatStorage'",
     tensor({.type = "ComplexFloatStorage"})},
    {"TensorOfNothing", kBad, "tensor without a storage",
     value("ctorch._utils\n_rebuild_tensor_v2\n)R")},
    {"ParameterOfNothing", kBad, "parameter without a tensor",
     value("ctorch._utils\n_rebuild_parameter\n)R")},
    {"ShapeIsANumber", kBad, "no tuple",
     value("ctorch._utils\n_rebuild_tensor_v2\n(" + pickled_storage({}) + pickled_integer(0) +
           "K\x01K\x01tR")},
    {"ShapeOfTexts", kBad, "no integer",
     value("ctorch._utils\n_rebuild_tensor_v2\n(" + pickled_storage({}) + pickled_integer(0) +
           pickled_text("2") + "\x85" + pickled_text("2") + "\x85tR")},
    {"StorageMissing", kBad, "tensor 'w': no storage '7'", tensor({.storage = "7"})},
    {"StorageAbove", kBad, "no storage '../data/0'", tensor({.storage = "../data/0"})},
    {"StorageLargerThanItsMember", kBad, "holds 16 bytes, expected 5 elements",
     tensor({.storage_elements = 5})},
    {"StorageOfAnotherType", kBad, "holds 16 bytes, expected 4 elements of F16",
     tensor({.type = "HalfStorage"})},
    {"StorageNegative", kBad, "expected -4 elements", tensor({.storage_elements = -4})},
    {"StorageOverflows", kBad, "elements of F32", tensor({.storage_elements = INT64_MAX})},
    {"ShapeNegative", kBad, "negative or overflows", tensor({.shape = {-2, -2}})},
    {"ShapeOverflows", kBad, "negative or overflows", tensor({.shape = {INT64_MAX, 3}})},
    {"ShapeTooLarge", kBad, "leave its storage", tensor({.shape = {2, 3}, .strides = {3, 1}})},
    {"OffsetNegative", kBad, "offset -1", tensor({.offset = -1})},
    {"OffsetBeyond", kBad, "leave its storage", tensor({.offset = 1})},
    {"OffsetOverflows", kBad, "strides", tensor({.offset = INT64_MAX})},
    {"StrideNegative", kBad, "strides", tensor({.strides = {-2, 1}})},
    {"StrideOverflows", kBad, "strides", tensor({.strides = {INT64_MAX, INT64_MAX}})},
    {"StridesOfAnotherRank", kBad, "with strides", tensor({.strides = {1}})},
    {"RankTooHigh", kBad, "of 9 dimensions",
     tensor(
         {.shape = std::vector<std::int64_t>(9, 1), .strides = std::vector<std::int64_t>(9, 1)})},
    {"CallWithManyArguments", kBad, "a call with 300 arguments",
     value("ctorch._utils\n_rebuild_tensor_v2\n(" + repeated("N", 300) + "tR")},
    {"ElementsAgainAndAgain", kBad, "once more, in another order", bytes(many_views(200))},
    {"OneElementRepeated", kBad, "leave its storage",
     tensor({.shape = {100000, 100000}, .strides = {0, 0}})},
};

class MalformedTorchFile : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedTorchFile, IsRefused) {
  expect_malformed(GetParam(),
                   [](const std::filesystem::path& directory) { TensorStore::open(directory); });
}

INSTANTIATE_TEST_SUITE_P(Rows, MalformedTorchFile, testing::ValuesIn(kRows), name_of_row);

// Everything that is passed over once, with a state, and things put into it.
const std::string kPassedOver =
    pickled_text("o") + kOpaque + "(K\x01K\x02u}b" + pickled_text("p") + "\x8f(K\x01\x90" +
    pickled_text("q") +
    "(\x8f\x91(K\x03"
    "e" +
    pickled_text("r") + "cargparse\nNamespace\n)}\x92" + pickled_text("s") +
    "cargparse\nNamespace\n)\x81}b" + pickled_text("t") + "C\x02xyB" + little_endian(1, 4) +
    "x\x86" + pickled_text("u") + "\x8a\x09" + std::string(9, 'x') + pickled_text("v") + "\x96" +
    little_endian(2, 8) + "xy" + pickled_text("w") +
    typed_tensor("UntypedStorage", 16, "ctorch\nfloat32\n") + pickled_text("x") +
    from_type("ctorch._utils\n_rebuild_tensor_v2\n",
              "(" + pickled_storage({}) + pickled_integer(0) + "K\x04\x85K\x01\x85t");

class DamagedTorchFile : public testing::TestWithParam<std::string> {};

// Whatever single byte is changed, and wherever the file is cut: an Error or tensors, never a
// crash; the sanitizers watch.
TEST_P(DamagedTorchFile, IsRefusedOrRead) {
  const std::string& whole = GetParam();
  const TempDirectory directory;
  int refused = 0, read = 0;
  const auto attempt = [&](const std::string& content) {
    directory.write(kName, content);
    try {
      const TensorStore store = TensorStore::open(directory.path());
      for (const TensorEntry& entry : store.entries()) {
        for (const std::byte b : entry.bytes) read += std::to_integer<int>(b) >= 0 ? 0 : 1;
      }
      ++read;
    } catch (const Error&) {
      ++refused;
    }
  };
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xFF}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      attempt(damaged);
    }
    attempt(whole.substr(0, i));
  }
  EXPECT_GT(refused, static_cast<int>(whole.size()));  // every cut, to begin with
  EXPECT_GT(read, 0);  // times, checksums and elements say nothing about tensors
}

std::string name_of_format(const testing::TestParamInfo<std::string>& info) {
  constexpr const char* kNames[] = {"archive", "legacy", "archive_of_a_run", "legacy_of_a_run"};
  return kNames[info.index];
}

INSTANTIATE_TEST_SUITE_P(
    Formats, DamagedTorchFile,
    testing::Values(
        torch_file_of(pickle_of(pickled_dictionary(
            pickled_text("a") + kTensor + pickled_text("model") +
            pickled_dictionary(kItem + pickled_text("t") + pickled_tensor({.strides = {1, 2}}))))),
        legacy_file(),
        torch_file_of(pickle_of(pickled_dictionary(kPassedOver + pickled_text("model") +
                                                   pickled_dictionary(kItem)))),
        legacy_file_of(legacy_system() + pickle_of(pickled_dictionary(kPassedOver + kItem)) +
                           legacy_names("0"),
                       legacy_storage())),
    name_of_format);

}  // namespace
}  // namespace instructblip
