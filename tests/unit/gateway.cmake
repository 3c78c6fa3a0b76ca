add_executable(gateway_test
  ${CMAKE_CURRENT_LIST_DIR}/gateway_binary_rows_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gateway_bulk_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gateway_conversation_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gateway_listener_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gateway_paths_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gateway_login_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gateway_metadata_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gateway_packets_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gateway_protocol_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gateway_statements_test.cpp
)
target_link_libraries(gateway_test PRIVATE ddb_gateway PkgConfig::OPENSSL PkgConfig::ZLIB Catch2::Catch2)
add_test(NAME gateway_unit COMMAND gateway_test)
set_tests_properties(gateway_unit PROPERTIES TIMEOUT 120)
