add_executable(bus_test bus_keys_test.cpp bus_envelope_test.cpp bus_links_test.cpp bus_security_test.cpp bus_beacon_test.cpp
                        bus_client_test.cpp)
target_link_libraries(bus_test PRIVATE ddb_bus PkgConfig::SODIUM Catch2::Catch2)
add_test(NAME bus_unit COMMAND bus_test)
set_tests_properties(bus_unit PROPERTIES TIMEOUT 180)
