// Control groups as folders below a temporary one, and what they allow.
#include "base/cores.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "temp_dir.h"
#include "testing.h"

using namespace gptoss;
namespace fs = std::filesystem;

namespace {

struct Groups : testing::TempDir {
  void write(const fs::path& file, const std::string& text) const {
    std::ofstream(path() / file) << text;
  }
  std::vector<ControlGroup> of(const std::string& controller, const std::string& membership) const {
    write("membership", membership);
    return control_groups(controller, path() / "membership", path());
  }
};

}  // namespace

TEST(groups_are_listed_with_those_above) {
  const Groups files;
  const auto unified = files.of("cpu", "0::/user/session\n");
  CHECK_EQ(unified.size(), size_t{3});
  CHECK_EQ(unified[0].folder, files.path());
  CHECK_EQ(unified[2].folder, files.path() / "user/session");
  CHECK(!unified[2].is_version1);
  const auto hybrid = files.of("cpu", "5:cpuset:/x\n4:cpu,cpuacct:/a\n1:name=systemd:/b\n");
  CHECK_EQ(hybrid.size(), size_t{2});
  CHECK_EQ(hybrid[1].folder, files.path() / "cpu/a");
  CHECK(hybrid[1].is_version1);
  for (const char* nonsense : {"", "\n", "no colon\n", "1:\n", ":::\n"})
    CHECK(files.of("cpu", nonsense).size() <= 2);
  CHECK(control_groups("cpu", files.path() / "missing", files.path()).empty());
}

TEST(a_group_allows_its_share_of_time) {
  const Groups files;
  const ControlGroup unified{files.path(), false}, old{files.path(), true};
  CHECK(!cores_of_group(unified) && !cores_of_group(old));
  const auto cores = [&](const char* text) {
    files.write("cpu.max", text);
    return cores_of_group(unified);
  };
  CHECK(!cores("max 100000\n"));
  CHECK_EQ(*cores("200000 100000\n"), 2);
  CHECK_EQ(*cores("150000 100000\n"), 2);
  CHECK_EQ(*cores("5000 100000\n"), 1);
  for (const char* nonsense : {"", "x", "100000", "-5 100000", "100000 0"}) CHECK(!cores(nonsense));
  files.write("cpu.cfs_period_us", "100000\n");
  files.write("cpu.cfs_quota_us", "-1\n");
  CHECK(!cores_of_group(old));
  files.write("cpu.cfs_quota_us", "350000\n");
  CHECK_EQ(*cores_of_group(old), 4);
}

TEST(there_is_a_core_for_this_process) {
  CHECK(usable_cores() >= 1);
  CHECK(usable_cores() <= static_cast<int>(std::thread::hardware_concurrency()));
}
