#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    picc_tests::fuzz::image(data);
});
