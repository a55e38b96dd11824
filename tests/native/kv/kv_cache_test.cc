#include "kv/kv_cache.h"

#include <random>
#include <set>

#include "base/check.h"
#include "base/family.h"
#include "testing.h"

using namespace gptoss::kv;

namespace {

constexpr KvShape kShape{.n_layers = 5, .n_kv_heads = 2, .head_page_bytes = 32768};

// Pages of the window group that a query at `position` can still see.
int64_t first_seen_page(int64_t position) {
  return std::max<int64_t>(0, position - (gptoss::kWindow - 1)) / gptoss::kPageTokens;
}

}  // namespace

TEST(pages_are_shared_until_the_last_reference_goes) {
  PagePool pool(2);
  const int32_t page = pool.take();
  pool.share(page);
  pool.give_back(page);
  CHECK_EQ(pool.n_used(), 1);
  pool.give_back(page);
  CHECK_EQ(pool.n_used(), 0);
  CHECK_THROWS(gptoss::InternalError, pool.give_back(page), "internal error");
  pool.check_integrity();
}

TEST(layers_are_split_between_the_groups) {
  CHECK_EQ(kShape.n_layers_of(true), 3);   // 0, 2, 4
  CHECK_EQ(kShape.n_layers_of(false), 2);  // 1, 3
  CHECK_EQ(kShape.layer_bytes(), size_t{2 * 32768});
  // 20b on the CPU: 2 KiB and the scales per token and layer, 12 full layers.
  const KvShape of_20b{.n_layers = 24, .n_kv_heads = 8, .head_page_bytes = 16896};
  CHECK_EQ(bytes_per_token(of_20b, false), size_t{12 * (2048 + 64) + 6});  // and the page lists
  CHECK_EQ(bytes_per_token(of_20b, true), size_t{12 * (2048 + 64) * 9 / 8 + 6});
}

TEST(addresses_of_layers_do_not_overlap) {
  const KvStorage cache(kShape, 4, 4);
  std::set<std::byte*> starts;
  for (int layer = 0; layer < kShape.n_layers; ++layer) starts.insert(cache.layer_base(layer));
  CHECK_EQ(starts.size(), size_t{5});
  CHECK_EQ(cache.layer_base(2) - cache.layer_base(0),
           static_cast<std::ptrdiff_t>(kShape.layer_bytes()));
  CHECK_THROWS(gptoss::InternalError, cache.layer_base(5), "layer");
}

TEST(extend_is_all_or_nothing) {
  KvCache cache(kShape, {64 * 3, 1, 64 * 3});
  PageTable table;
  CHECK(cache.extend(table, 100));
  CHECK_EQ(table.full.size(), size_t{2});
  CHECK(!cache.extend(table, 64 * 4));
  CHECK_EQ(table.full.size(), size_t{2});
  CHECK(cache.extend(table, 64 * 3));
  cache.release(table);
  CHECK_EQ(cache.n_pages_used(), 0);
}

TEST(sliding_pages_are_freed_exactly_behind_the_window) {
  KvCache cache(kShape, {64 * 20, 1, 64 * 20});
  PageTable table;
  CHECK(cache.extend(table, 64 * 20));
  for (int64_t position = 0; position < 64 * 20; ++position) {
    cache.free_behind_window(table, position);
    const int64_t first = first_seen_page(position);
    for (int64_t page = 0; page < 20; ++page)
      CHECK_EQ(table.window[static_cast<size_t>(page)] == -1, page < first);
  }
  for (const int32_t page : table.full) CHECK(page >= 0);
  cache.release(table);
  CHECK_EQ(cache.n_pages_used(), 0);
  cache.check_integrity({});
}

TEST(who_ended_first_goes_first) {
  KvCache cache(kShape, {64 * 4, 2, 64 * 4});
  const std::vector<int32_t> one(100, 1), two(100, 2);
  const int64_t end[] = {100};
  {
    PageTable first;
    CHECK(cache.extend(first, 100));
    cache.keep(first, one, end);
    PageTable second;
    CHECK(cache.extend(second, 100));
    cache.keep(second, two, end);
    cache.release(second);
  }
  PageTable other;
  CHECK(cache.extend(other, 10));  // for which a page of the second goes
  cache.release(other);
  CHECK_EQ(cache.n_resumable(one), int64_t{99});
  CHECK_EQ(cache.n_resumable(two), int64_t{64});
  cache.check_integrity({});
}

TEST(the_window_group_never_runs_out_first) {
  // Several sequences with random shares of steps, until the full pages are gone.
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const int n_sequences = 1 + static_cast<int>(random() % 6),
              n_step = 1 + static_cast<int>(random() % 700);
    KvCache cache({.n_layers = 2, .n_kv_heads = 1, .head_page_bytes = 16384},
                  {64 * 60, n_sequences, n_step});
    std::vector<PageTable> tables(static_cast<size_t>(n_sequences));
    std::vector<int64_t> lengths(tables.size());
    for (int step = 0; step < 400; ++step) {
      std::vector<size_t> in_step;
      for (int left = n_step; left > 0 && in_step.size() < tables.size();) {
        const size_t i = in_step.size();
        const auto share = 1 + static_cast<int64_t>(random() % static_cast<unsigned>(left));
        left -= static_cast<int>(share);
        const int32_t n_free = cache.n_full_pages_available();
        const int64_t n_more = n_pages_for(lengths[i] + share) - n_pages_for(lengths[i]);
        CHECK_EQ(cache.extend(tables[i], lengths[i] + share), n_more <= n_free);
        if (n_more > n_free) {
          cache.release(tables[i]);
          lengths[i] = 0;
          break;
        }
        lengths[i] += share;
        in_step.push_back(i);
      }
      for (const size_t i : in_step) cache.free_behind_window(tables[i], lengths[i]);
      std::vector<const PageTable*> held;
      for (const PageTable& table : tables) held.push_back(&table);
      cache.check_integrity(held);
    }
    for (PageTable& table : tables) cache.release(table);
    CHECK_EQ(cache.n_pages_used(), 0);
  }
}
