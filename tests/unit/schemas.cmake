add_executable(schemas_test schemas_codec_test.cpp schemas_ids_test.cpp)
target_link_libraries(schemas_test PRIVATE ddb_schemas Catch2::Catch2)
add_test(NAME schemas_unit COMMAND schemas_test)
set_tests_properties(schemas_unit PROPERTIES TIMEOUT 120)
