#include "node/storage/group_reader.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "node/storage/calculation_settings.hpp"
#include "node/storage/statement_runner.hpp"

namespace ddb::storage {

Result<bool> GroupRows::wanted(const EventView& event) {
    const auto inside = [&](const auto& range) { return event.end > range.first && event.end <= range.second; };
    const bool undone = std::any_of(place_.undone.begin(), place_.undone.end(), inside);
    if (event.type == EventType::table_map) {
        const auto table = parse_table_map(event);
        if (!table) return fail(ErrorCode::corrupt, "binary log: malformed Table_map event");
        if (owner_of(*table) != TableOwner::all) {
            (notes_settings(*table) ? settings_tables_ : own_tables_).push_back(table->table_id);
            return false;
        }
        return !undone;
    }
    if (!event.is_rows()) return false;
    const auto rows = parse_rows(event);
    if (!rows) return fail(ErrorCode::corrupt, "binary log: malformed rows event");
    const auto is_one_of = [&](const std::vector<std::uint64_t>& tables) {
        return std::find(tables.begin(), tables.end(), rows->table_id) != tables.end();
    };
    if (is_one_of(own_tables_)) return false;
    // Also of what was undone: it is noted again behind that.
    if (is_one_of(settings_tables_)) {
        if (auto sql = noted_settings_sql(event, *rows); !sql.empty()) settings_ = std::move(sql);
        return false;
    }
    if (undone) return false;
    ++row_events_;
    return true;
}

std::string GroupRows::in_front() {
    const std::string settings = std::exchange(settings_, {});
    return settings.empty() ? std::string() : settings_event(settings);
}

GroupReader::GroupReader(ConnectOptions service, Epoch epoch, GroupPlace place, OnPart on_part, OnFailure on_failure)
    : service_(std::move(service)),
      epoch_(epoch),
      rows_(std::move(place)),
      on_part_(std::move(on_part)),
      on_failure_(std::move(on_failure)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

GroupReader::~GroupReader() {
    thread_.request_stop();
    {
        std::lock_guard lock(mutex_);
        if (stream_ != nullptr) stream_->interrupt();
    }
    thread_.join();
}

void GroupReader::want() {
    {
        std::lock_guard lock(mutex_);
        ++wanted_;
    }
    changed_.notify_all();
}

void GroupReader::run(const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "group reader");
    const Status status = read(stop);
    if (!status.ok() && !stop.stop_requested()) on_failure_(status.error());
}

Status GroupReader::read(const std::stop_token& stop) {
    {
        const GroupPlace& place = rows_.place();
        auto stream = BinlogStream::open(service_, BinlogPosition{place.file, place.begin}, BinlogStream::End::wait);
        if (!stream.ok()) return stream.error();
        std::lock_guard lock(mutex_);
        if (stop.stop_requested()) return ok();
        stream_ = std::move(*stream);
    }
    for (;;) {
        const auto event = stream_->next();
        if (stop.stop_requested()) return ok();
        if (!event.ok()) return event.error();
        if (!*event) return fail(ErrorCode::io, "the server ended the stream");
        // What the server puts in front of the group tells where it stands, and has no place in the file itself.
        if ((*event)->end <= rows_.place().begin || (*event)->type == EventType::rotate) continue;
        const auto wanted = rows_.wanted(**event);
        if (!wanted.ok()) return wanted.error();
        if (*wanted) {
            const std::string front = rows_.in_front();
            const std::string_view raw = (*event)->raw;
            const std::size_t bytes = front.size() + raw.size();
            if (!part_.empty() && part_.size() + bytes > part_bytes && !deliver(stop, false)) return ok();
            part_.append(front).append(raw);
        }
        if (rows_.ended(**event)) {
            if (!rows_.complete()) return fail(ErrorCode::corrupt, "a large group reads otherwise the second time");
            (void)deliver(stop, true);
            return ok();
        }
    }
}

// False: stopped.
bool GroupReader::deliver(const std::stop_token& stop, bool last) {
    std::string part = std::exchange(part_, {});
    std::size_t begin = 0;
    for (; part.size() - begin > part_bytes; begin += part_bytes) {
        if (!deliver_piece(stop, part.substr(begin, part_bytes), false)) return false;
    }
    return deliver_piece(stop, begin == 0 ? std::move(part) : part.substr(begin), last);
}

bool GroupReader::deliver_piece(const std::stop_token& stop, std::string events, bool last) {
    {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [&] { return wanted_ > 0; })) return false;
        --wanted_;
    }
    CapturedPart part;
    part.epoch = epoch_;
    part.events = std::move(events);
    part.last = last;
    on_part_(std::move(part));
    return true;
}

}  // namespace ddb::storage
