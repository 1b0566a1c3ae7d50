import PipelineKit
import ShardKit
import Testing

@Suite struct ByteCountTests {
  @Test(arguments: [
    ("0", 0), ("17", 17), ("5B", 5), ("5 B", 5), ("1KiB", 1024), ("1.5 MiB", 1_572_864), ("64MB", 64_000_000),
    ("2GiB", 2 << 30), ("1TiB", 1 << 40), ("0.5GB", 500_000_000),
  ])
  func parses(_ text: String, _ bytes: Int) { #expect(ByteCount.parse(text)?.bytes == bytes) }

  @Test(arguments: [
    "", "MiB", "-1", "-1MiB", "1 2MiB", "1.5", "1e3MiB", "0x10MiB", "nanMiB", "infGiB", "99999999TiB", "1mib", "1GiBs",
    "1..5MiB", ".MiB",
  ])
  func refuses(_ text: String) { #expect(ByteCount.parse(text) == nil) }

  @Test func optionsAreIntegersOrTexts() throws {
    #expect(try ByteCount(json: 4096).bytes == 4096)
    #expect(try ByteCount(json: "4KiB").bytes == 4096)
    for (bad, message): (JSONValue, String) in [
      (.integer(-1), "-1 is not a number of bytes such as 67108864 or \"64MiB\""),
      ("many", "'many' is not a number of bytes such as 67108864 or \"64MiB\""),
      (true, "should be a number of bytes such as 67108864 or \"64MiB\", not a boolean"),
    ] {
      let problem = #expect(throws: OptionProblem.self) { try ByteCount(json: bad) }
      #expect(problem?.message == message)
    }
  }

  @Test(arguments: [0, 17, 1 << 10, 3 << 20, 5 << 30, 1025])
  func itsDescriptionReadsBack(_ bytes: Int) { #expect(ByteCount.parse(ByteCount(bytes).description)?.bytes == bytes) }
}
