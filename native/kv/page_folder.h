// The folder that stored pages lie in: <folder>/<identity>/<2 digits of the parent>/<page>. Touches
// nothing that does not look like its own, and follows no links below the folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/mapping.h"
#include "kv/prefix_key.h"

namespace gptoss::kv {

class PageFolder {
 public:
  PageFolder() = default;
  // identity: of the pages that bucket() is about; the others are only counted.
  PageFolder(const std::string& folder, uint64_t identity);

  // Makes what is missing of it, for this user alone. False if that fails; see errno.
  bool make() const;

  // The folder of a parent's pages; closed if there is none, or it could not be made. See errno.
  FileDescriptor bucket(const PrefixKey& parent, bool is_made) const;
  // Where a page of that folder lies, for messages.
  std::string path_of(const PrefixKey& parent, const std::string& name) const;

  // Bytes of all pages of all identities. If they are more than `most`, the least recently used
  // ones go until `kept` are left. What dead processes had begun to write goes, too.
  uint64_t count_and_trim(uint64_t most, uint64_t kept) const;

 private:
  std::string path_;  // absolute
  std::string identity_;
};

// The names in a folder that is open; none if it cannot be read.
std::vector<std::string> names_in(const FileDescriptor& folder);

}  // namespace gptoss::kv
