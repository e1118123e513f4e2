// instructblip evaluate: every recipe on a few rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

const std::vector<std::string> kRecipes = {
    "flickr30k", "gqa",       "hateful_memes", "iconqa",  "ivqa",   "msrvtt_qa", "msvd_qa",
    "nocaps",    "scienceqa", "textvqa",       "visdial", "vizwiz", "vsr"};

class Recipes : public testing::TestWithParam<std::string> {
 protected:
  const TempDirectory directory_;

  // Rows with everything that any recipe asks for; `answers` to each.
  std::vector<Json> rows(const std::vector<Json>& answers) const {
    std::vector<Json> rows;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      Json row = {{"image", image(i == 0 ? "coffee.jpg" : "rocket.jpg")},
                  {"question", "What is it?"},
                  {"context", "A picture."},
                  {"history", "Is it old? no."},
                  {"ocr_tokens", {"A", "B"}},
                  {"answers", answers[i]}};
      const bool has_own = GetParam() == "vsr" || GetParam() == "hateful_memes";
      if (!has_own) row["candidates"] = {"cup", "rocket", "no"};
      rows.push_back(std::move(row));
    }
    return rows;
  }

  Json evaluate(const std::vector<Json>& rows, const std::string& out = "",
                int exit_code = 0) const {
    std::string lines;
    for (const Json& row : rows) lines += row.dump() + "\n";
    directory_.write("data.jsonl", lines);
    Arguments arguments = {
        "evaluate", "--model", kT5, "--recipe", GetParam(), "--data", directory_ / "data.jsonl",
        "--json"};
    if (!out.empty()) arguments = arguments + Arguments{"--output", directory_ / out};
    const Finished finished = call(arguments);
    EXPECT_EQ(finished.exit_code, exit_code) << finished.err;
    return finished.exit_code == exit_code ? Json::parse(finished.out) : Json();
  }

  std::vector<std::string> answers_in(const std::string& out) const {
    std::ifstream stream(directory_ / out);
    std::vector<std::string> answers;
    for (std::string line; std::getline(stream, line);) {
      answers.push_back(Json::parse(line)["answer"]);
    }
    return answers;
  }
};

// What the model says, given as the right answer, is worth more than what it does not say.
TEST_P(Recipes, MeasuresWhatTheModelSays) {
  const std::vector<Json> some = {{"yes"}, {"no"}};
  const bool is_binary = GetParam() == "vsr" || GetParam() == "hateful_memes";
  const std::vector<Json> either = is_binary ? some : std::vector<Json>{{"cup"}, {"rocket"}};
  const Json first = evaluate(rows(either), "first.jsonl");
  EXPECT_EQ(first["recipe"], GetParam());
  EXPECT_EQ(first["rows"], 2);
  EXPECT_EQ(first["errors"], 0);
  EXPECT_GT(first["published"]["flan-t5-xl"], 20.0);
  const std::vector<std::string> said = answers_in("first.jsonl");
  ASSERT_EQ(said.size(), 2u);
  const std::string metric = first["metric"];
  if (metric == "accuracy" || metric == "mrr") {
    EXPECT_EQ(evaluate(rows({{said[0]}, {said[1]}}))["value"], 1.0);
  } else if (metric == "cider") {
    EXPECT_GT(evaluate(rows({{said[0]}, {said[1]}}))["value"], 0.0);
  } else if (metric == "roc_auc") {
    EXPECT_GE(first["value"], 0.0);
    EXPECT_LE(first["value"], 1.0);
  } else {
    EXPECT_EQ(evaluate(rows({{"no such thing"}, {"nor this"}}))["value"], 0.0);
  }
}

TEST_P(Recipes, RowsThatCannotBeAnsweredAreCounted) {
  const bool is_binary = GetParam() == "vsr" || GetParam() == "hateful_memes";
  std::vector<Json> all =
      is_binary ? rows({{"yes"}, {"no"}, {"yes"}}) : rows({{"cup"}, {"cup"}, {"no"}});
  all[2]["image"] = "nowhere.jpg";
  const Json report = evaluate(all, "", 3);
  EXPECT_EQ(report["rows"], 3);
  EXPECT_EQ(report["errors"], 1);
}

INSTANTIATE_TEST_SUITE_P(All, Recipes, testing::ValuesIn(kRecipes),
                         [](const auto& test) { return test.param; });

TEST(RecipeNames, AreListedWhereOneIsWrong) {
  const Finished finished =
      call({"evaluate", "--model", kT5, "--recipe", "okvqa2", "--data", "x.jsonl"});
  EXPECT_EQ(finished.exit_code, 2);
  for (const std::string& name : kRecipes) {
    EXPECT_NE(finished.err.find(name), std::string::npos) << finished.err;
  }
}

// A key or a value that is misspelt would be another measure in silence.
TEST(RecipeFiles, SayWhatIsWrongWithThem) {
  const TempDirectory directory;
  directory.write("data.jsonl", Json{{"image", image("coffee.jpg")}, {"answer", "cup"}}.dump());
  const Json right = {{"task", "generate"}, {"prompt", "What?"}, {"metric", "exact_match"}};
  const auto evaluate = [&](const Json& recipe) {
    directory.write("recipe.json", recipe.dump());
    return call({"evaluate", "--model", kT5, "--recipe", directory / "recipe.json", "--data",
                 directory / "data.jsonl"});
  };
  EXPECT_EQ(evaluate(right).exit_code, 0);
  const auto refused = [&](const std::string& key, const Json& value, const std::string& why) {
    Json recipe = right;
    recipe[key] = value;
    const Finished finished = evaluate(recipe);
    EXPECT_EQ(finished.exit_code, 2);
    EXPECT_NE(finished.err.find(why), std::string::npos) << finished.err;
  };
  refused("task", "rnak", R"(task: expected "rank" or "generate", got "rnak")");
  refused("task", 7, "task: expected a text, got 7");
  refused("geometry", "crp", "geometry: expected");
  refused("text", "qestion", "text: expected");
  refused("metric", "rouge", "metric: expected one of vqa_accuracy, ");
  refused("decodng", Json::object(), "unknown key 'decodng'");
  refused("decoding", Json::array(), "decoding: expected an object, got []");
  refused("decoding", {{"num_beams", 1.5}}, "num_beams: expected a whole number, got 1.5");
  refused("decoding", {{"num_beams", 4294967297}}, "num_beams: expected a whole number");
  refused("decoding", {{"length_penalty", "1"}}, "length_penalty: expected a number");
  refused("candidates", {1, 2}, "candidates: expected a list of texts, got [1,2]");
  const Finished missing = evaluate({{"task", "generate"}});
  EXPECT_NE(missing.err.find("prompt is missing, expected a text"), std::string::npos)
      << missing.err;
}

}  // namespace
}  // namespace instructblip::test
