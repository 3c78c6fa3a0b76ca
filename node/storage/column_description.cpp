#include "node/storage/column_description.hpp"

#include <algorithm>
#include <cstdint>

namespace ddb::storage {
namespace {

std::string attribute_of(const MYSQL_FIELD& field, mariadb_field_attr_t attribute) {
    MARIADB_CONST_STRING found{};
    if (mariadb_field_attr(&found, &field, attribute) != 0 || found.str == nullptr) return {};
    return {found.str, std::min(found.length, type_name_bytes_max)};
}

}  // namespace

Column column_of(const MYSQL_FIELD& field) {
    Column column;
    column.name.assign(field.name, field.name_length);
    column.table.assign(field.table != nullptr ? field.table : "", field.table_length);
    column.database.assign(field.db != nullptr ? field.db : "", field.db_length);
    column.type = static_cast<std::uint8_t>(field.type);
    column.charset = static_cast<std::uint16_t>(field.charsetnr);
    // The library adds this flag to numbers; of others it is the server's own, for its groups.
    const unsigned added = INTERNAL_NUM_FIELD(&field) ? NUM_FLAG : 0;
    column.flags = static_cast<std::uint16_t>(field.flags & ~added);
    column.length = static_cast<std::uint32_t>(std::min<unsigned long>(field.length, UINT32_MAX));
    column.decimals = static_cast<std::uint8_t>(field.decimals);
    column.original_name.assign(field.org_name != nullptr ? field.org_name : "", field.org_name_length);
    column.original_table.assign(field.org_table != nullptr ? field.org_table : "", field.org_table_length);
    if (field.extension != nullptr) {
        column.type_name = attribute_of(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME);
        column.format_name = attribute_of(field, MARIADB_FIELD_ATTR_FORMAT_NAME);
    }
    return column;
}

}  // namespace ddb::storage
