add_executable(client_test
  ${CMAKE_CURRENT_LIST_DIR}/client_main.cpp
  ${CMAKE_CURRENT_LIST_DIR}/client_splitter_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/client_formats_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/client_session_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/client_lost_node_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/client_options_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/client_cli_test.cpp
)
target_link_libraries(client_test PRIVATE ddb_client nlohmann_json::nlohmann_json Catch2::Catch2)
target_compile_definitions(client_test PRIVATE DDB_CLI_PROGRAM="$<TARGET_FILE:ddb-cli>")
add_dependencies(client_test ddb-cli)
add_test(NAME client_unit COMMAND client_test)
set_tests_properties(client_unit PROPERTIES TIMEOUT 120)
