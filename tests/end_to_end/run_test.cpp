// Answers: the reference's tokens, the shape of JSON, several pictures, both spellings.
#include <gtest/gtest.h>

#include <cctype>
#include <cmath>
#include <set>
#include <tuple>

#include "end_to_end/command.h"

namespace instructblip::test {
namespace {

Json answer(const Arguments& arguments) {
  const Finished finished = call(arguments + Arguments{"--json"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  const std::vector<Json> all = objects(finished.out);
  EXPECT_EQ(all.size(), 1u) << finished.out;
  return all.empty() ? Json() : all.front();
}

std::set<std::string> keys(const Json& object) {
  std::set<std::string> out;
  for (const auto& [key, value] : object.items()) out.insert(key);
  return out;
}

struct Case {
  std::string model, request;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.request; }

class GoldenAnswerTest : public testing::TestWithParam<Case> {};

TEST_P(GoldenAnswerTest, IsTheReferences) {
  const Json want = golden_request(GetParam().model, GetParam().request);
  const Json got = answer(arguments_of(GetParam().model, want));
  ASSERT_EQ(got["sequences"].size(), want["sequences"].size());
  for (std::size_t i = 0; i < want["sequences"].size(); ++i) {
    const Json& sequence = got["sequences"][i];
    EXPECT_EQ(sequence["tokens"], want["sequences"][i]["tokens"]);
    EXPECT_EQ(sequence["text"], want["sequences"][i]["text"]);
    EXPECT_EQ(sequence["finish_reason"], want["sequences"][i]["finish_reason"]);
    EXPECT_NEAR(sequence["score"].get<double>(), want["sequences"][i]["score"].get<double>(), 1e-3);
  }
  for (const char* key : {"text", "tokens", "finish_reason", "score"}) {
    EXPECT_EQ(got[key], got["sequences"][0][key]) << key;
  }
  EXPECT_EQ(got["qformer_tokens"], want["prompt_tokens"]["qformer"].size());
  const int image_tokens = GetParam().model == kT5 ? 5 : 12;  // num_query_tokens of the two
  EXPECT_EQ(got["prompt_tokens"], want["prompt_tokens"]["lm"].size() + image_tokens);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string& model : {kT5, kVicuna}) {
    for (const char* name :
         {"greedy", "greedy-emoji", "greedy-special", "greedy-empty", "ngram-2", "minimum",
          "repetition-1.5", "beams-5", "beams-2-all", "beams-3-flat", "beams-4-never"}) {
      try {
        golden_request(model, name);
        all.push_back({model, name});
      } catch (const std::out_of_range&) {  // left out where rounding decides
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Both, GoldenAnswerTest, testing::ValuesIn(cases()),
                         [](const testing::TestParamInfo<Case>& test) {
                           std::string name =
                               (test.param.model == kT5 ? "T5_" : "Vicuna_") + test.param.request;
                           for (char& c : name)
                             c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

TEST(GoldenAnswers, MostOfTheListedRequestsExist) { EXPECT_GE(cases().size(), 14u); }

TEST(Run, InterpolatesPositionsWhenAsked) {
  const Json want = golden_request(kInterpolated, "interpolated");
  EXPECT_EQ(answer(arguments_of(kInterpolated, want))["tokens"], want["sequences"][0]["tokens"]);
  const Finished refused = call(ask({}, kInterpolated));
  EXPECT_EQ(refused.exit_code, 5);
  EXPECT_EQ(refused.out, "");
}

TEST(Run, PrintsTheAnswerAlone) {
  const Json want = golden_request(kVicuna, "greedy");
  const Finished finished = call(arguments_of(kVicuna, want));
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_EQ(finished.out, want["sequences"][0]["text"].get<std::string>() + "\n");
  EXPECT_EQ(finished.err, "");
}

TEST(Run, PrintsEverySequenceBestFirst) {
  const Json want = golden_request(kT5, "beams-3-flat");
  std::string lines;
  for (const Json& sequence : want["sequences"]) {
    lines += sequence["text"].get<std::string>() + "\n";
  }
  EXPECT_EQ(call(arguments_of(kT5, want)).out, lines);
}

TEST(Run, JsonHasTheFieldsOfTheContract) {
  const Json got = answer(ask({"--seed", "18446744073709551615", "--stop", "zzz"}));
  EXPECT_EQ(keys(got), (std::set<std::string>{
                           "image", "instruction", "text", "tokens", "finish_reason", "score",
                           "sequences", "prompt_tokens", "qformer_tokens", "options", "timings_ms",
                           "tokens_per_second", "peak_rss_bytes"}));
  EXPECT_EQ(keys(got["sequences"][0]),
            (std::set<std::string>{"text", "tokens", "finish_reason", "score"}));
  EXPECT_EQ(keys(got["timings_ms"]), (std::set<std::string>{"load", "image", "vision", "qformer",
                                                            "prefill", "decode", "total"}));
  const Json& options = got["options"];
  EXPECT_EQ(options["max_new_tokens"], 8);
  EXPECT_EQ(options["num_beams"], 1);
  EXPECT_EQ(options["early_stopping"], false);
  EXPECT_EQ(options["do_sample"], false);
  EXPECT_EQ(options["seed"], 18446744073709551615u);
  EXPECT_EQ(options["stop"], Json::array({"zzz"}));
  EXPECT_EQ(options["resize"], "pillow13");
  EXPECT_EQ(options["exif"], "apply");
  EXPECT_EQ(options["background"], "drop");
  EXPECT_EQ(options["dtype"], "f32");
  EXPECT_EQ(options["device"], "cpu");
  EXPECT_GT(got["timings_ms"]["total"].get<double>(), 0);
  EXPECT_GT(got["peak_rss_bytes"].get<std::int64_t>(), 1 << 20);
}

// Every limit on a picture can be raised, and the message about it says how.
TEST(Run, LimitsOnPicturesAreOptions) {
  for (const auto& [option, too_little, enough] :
       {std::tuple("--max-pixels", "159999", "160000"), std::tuple("--max-side", "399", "400"),
        std::tuple("--max-bytes", "1KB", "1MB")}) {
    const Finished refused = call(ask({option, too_little}));
    EXPECT_EQ(refused.exit_code, 6) << refused.err;
    EXPECT_NE(refused.err.find(option), std::string::npos) << refused.err;
    EXPECT_EQ(call(ask({option, enough})).exit_code, 0);
  }
}

TEST(Run, LogprobsSumToTheScore) {
  const Json got = answer(ask({"--logprobs"}));
  ASSERT_EQ(got["logprobs"].size(), got["tokens"].size());
  double sum = 0;
  for (const Json& value : got["logprobs"]) sum += value.get<double>();
  EXPECT_NEAR(sum, got["score"].get<double>(), 1e-4);
}

TEST(Run, BothSpellingsAndTheLastOfTwoCount) {
  const Json with_space = answer(ask(
      {"--num-beams", "5", "--num-beams", "2", "--early-stopping", "--length-penalty", "-0.5"}));
  const Json with_equals =
      answer(ask({"--num-beams=2", "--early-stopping=true", "--length-penalty=-0.5"}));
  EXPECT_EQ(with_space["tokens"], with_equals["tokens"]);
  for (const Json& options : {with_space["options"], with_equals["options"]}) {
    EXPECT_EQ(options["num_beams"], 2);
    EXPECT_EQ(options["early_stopping"], true);
    EXPECT_EQ(options["length_penalty"], -0.5);
  }
  EXPECT_EQ(answer(ask({"--num-beams=2", "--early-stopping=never"}))["options"]["early_stopping"],
            "never");
}

TEST(Run, TakesAnInstructionThatLooksLikeAnOption) {
  const Arguments before = {
      "run", "--model", kT5, "--image", image("coffee.jpg"), "--max-new-tokens", "4", "--json"};
  const Finished apart = call(before + Arguments{"--instruction", "--json=[a,b]"});
  const Finished joined = call(before + Arguments{"--instruction=--json=[a,b]"});
  ASSERT_EQ(apart.exit_code, 0) << apart.err;
  ASSERT_EQ(joined.exit_code, 0) << joined.err;
  EXPECT_EQ(objects(apart.out)[0]["tokens"], objects(joined.out)[0]["tokens"]);
  EXPECT_EQ(call(before + Arguments{"--instruction="}).exit_code, 0);
  EXPECT_EQ(call(before + Arguments{"--instruction", ""}).exit_code, 0);
}

TEST(Run, ReadsTheInstructionFromStandardInput) {
  const Json want = golden_request(kT5, "greedy-newline");  // line ends inside stay
  Arguments arguments = arguments_of(kT5, want);
  arguments[6] = "-";
  Start start = instructblip(arguments + Arguments{"--json"});
  start.input = want["instruction"].get<std::string>() + "\n";
  const Finished finished = run(start);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(objects(finished.out)[0]["tokens"], want["sequences"][0]["tokens"]);
}

TEST(Run, RefusesTooMuchStandardInput) {
  Start start =
      instructblip({"run", "--model", kT5, "--image", image("coffee.jpg"), "--instruction", "-"});
  start.input = std::string((1 << 20) + 10, 'x');
  const Finished finished = run(start);
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_EQ(finished.out, "");
}

TEST(Run, AnswersSeveralPicturesInOrder) {
  const std::vector<std::string> names = {"coffee.jpg", "chelsea.webp", "rocket_small.bmp"};
  Arguments several = {"run",     "--model",          kVicuna, "--instruction",
                       kQuestion, "--max-new-tokens", "12"};
  std::string lines;
  std::vector<Json> alone;
  for (const std::string& name : names) {
    alone.push_back(answer({"run", "--model", kVicuna, "--image", image(name), "--instruction",
                            kQuestion, "--max-new-tokens", "12"}));
    several.insert(several.end(), {"--image", image(name)});
    lines += alone.back()["text"].get<std::string>() + "\n";
  }
  EXPECT_NE(alone[0]["tokens"], alone[1]["tokens"]);
  EXPECT_EQ(call(several).out, lines);

  const std::vector<Json> together = objects(call(several + Arguments{"--json"}).out);
  ASSERT_EQ(together.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(together[i]["tokens"], alone[i]["tokens"]) << names[i];
  }
}

TEST(Run, StopsBeforeAText) {
  const Arguments long_answer = ask({"--max-new-tokens=40", "--min-new-tokens=40"});
  const std::string text = answer(long_answer)["text"];
  ASSERT_GT(text.size(), 12u);
  const std::size_t space = text.find(' ', 4);  // a word is whole UTF-8
  ASSERT_NE(space, std::string::npos) << text;
  const std::string stop = text.substr(space, text.find(' ', space + 1) - space);
  const std::string before = text.substr(0, text.find(stop));
  const std::string stripped = before.substr(0, before.find_last_not_of(" \n") + 1);

  const Arguments stopped = long_answer + Arguments{"--stop", "\u2603", "--stop", stop};
  EXPECT_EQ(call(stopped).out, stripped + "\n");
  const Json got = answer(stopped);
  EXPECT_EQ(got["text"], stripped);
  EXPECT_EQ(got["finish_reason"], "stop");
  EXPECT_LT(got["tokens"].size(), 40u);
}

TEST(Run, SamplingIsReproducibleBySeed) {
  const Arguments sampled = ask({"--do-sample", "--temperature=1.5", "--top-k", "0",
                                 "--num-return-sequences", "3", "--max-new-tokens=16"});
  const Json first = answer(sampled);
  const std::string seed = first["options"]["seed"].dump();
  EXPECT_EQ(answer(sampled + Arguments{"--seed", seed})["sequences"], first["sequences"]);
  EXPECT_NE(answer(sampled + Arguments{"--seed", "1"})["sequences"],
            answer(sampled + Arguments{"--seed", "2"})["sequences"]);
}

TEST(Run, SaysMoreWhenAskedTo) {
  const Finished verbose = call(ask({"-v"}));
  for (const char* word : {"vision", "prefill", "decode", "peak memory"}) {
    EXPECT_NE(verbose.err.find(word), std::string::npos) << verbose.err;
  }
  EXPECT_EQ(verbose.out, call(ask()).out);
}

TEST(Run, WarnsUnlessQuiet) {
  const Finished warned = call(ask({"--temperature", "0.5"}));
  EXPECT_EQ(warned.exit_code, 0);
  EXPECT_NE(warned.err.find("warning: "), std::string::npos) << warned.err;
  EXPECT_EQ(call(ask({"--temperature", "0.5", "--quiet"})).err, "");
}

TEST(Run, IgnoresTheLocale) {
  Start start = instructblip(ask({"--json", "--length-penalty", "0.5", "--num-beams=2"}));
  start.environment = {{"LC_ALL", "de_DE.UTF-8"}, {"LANG", "de_DE.UTF-8"}};
  const Finished finished = run(start);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(objects(finished.out)[0]["options"]["length_penalty"], 0.5);
}

// The same picture twice: the second time it has been seen, unless nothing is kept.
TEST(Run, KeepsPicturesUnlessTold) {
  for (const char* size : {"1GB", "0"}) {
    const Finished finished =
        call(ask({"--image", image("astronaut.jpg"), "--json", "--cache", size}));
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const std::vector<Json> answers = objects(finished.out);
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[0]["tokens"], answers[1]["tokens"]);
    EXPECT_EQ(answers[1]["timings_ms"]["vision"] == 0.0, std::string(size) != "0");
  }
}

TEST(Run, OptionsWithoutEffectAreNamed) {
  const auto warned = [](const Arguments& more, const std::string& of) {
    const Finished finished = call(ask(more));
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_NE(finished.err.find("warning: " + of), std::string::npos) << finished.err;
  };
  warned({"--logprobs"}, "--logprobs has no effect without --json");
  warned({"--names", "--json"}, "--names has no effect with --json");
  warned({"--frames", "8"}, "--frames, --sampling and --frame-seed have no effect without --video");
  EXPECT_EQ(call(ask({"--logprobs", "--json"})).err, "");
}

}  // namespace
}  // namespace instructblip::test
