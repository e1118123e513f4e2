#include "scene_file.h"

#include <gtest/gtest.h>

#include "exam.h"

namespace world {
namespace {

ScenePage page_of(std::uint64_t index) {
  ScenePage page{.scene = make_scene(51, index)};
  page.rgb = draw(page.scene).rgb;
  page.samples = draw_exam(page.scene, 51, index).trained;
  return page;
}

TEST(SceneFile, GivesBackWhatWasWritten) {
  for (std::uint64_t i = 0; i < 20; ++i) {
    const ScenePage written = page_of(i), read = from_line(to_line(written));
    EXPECT_EQ(read.rgb, written.rgb);
    ASSERT_EQ(read.scene.objects.size(), written.scene.objects.size());
    EXPECT_EQ(caption(read.scene), caption(written.scene));
    EXPECT_EQ(read.scene.sign.has_value(), written.scene.sign.has_value());
    ASSERT_EQ(read.samples.size(), written.samples.size());
    for (std::size_t k = 0; k < read.samples.size(); ++k) {
      EXPECT_EQ(read.samples[k].type, written.samples[k].type);
      EXPECT_EQ(read.samples[k].instruction, written.samples[k].instruction);
      EXPECT_EQ(read.samples[k].parts, written.samples[k].parts);
      EXPECT_EQ(read.samples[k].answer, written.samples[k].answer);
    }
  }
}

TEST(SceneFile, NamesWhatIsWrongInALine) {
  const std::string good = to_line(page_of(0));
  const struct {
    std::string from, to, says;
  } rows[] = {
      {"{\"rgb\":\"", "{\"rgb\":\"*", "not base64"},
      {"{\"rgb\":\"", "{\"rgb\":\"AAAA", "expected 15552 bytes, got 15555"},
      {"\"type\":\"colour\"", "\"type\":\"taste\"", "taste"},
      {"\"cell\":", "\"cell\":1000", "expected 0 to 8"},
      {"\"samples\"", "\"specimens\"", "samples"},
      {"}", "", "parse error"},
  };
  for (const auto& row : rows) {
    std::string line = good;
    ASSERT_NE(line.find(row.from), std::string::npos) << row.from;
    line.replace(line.find(row.from), row.from.size(), row.to);
    try {
      from_line(line);
      ADD_FAILURE() << row.says;
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find(row.says), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace world
