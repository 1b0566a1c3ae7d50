import ShardKit
import TestKit
import Testing

@testable import PipelineKit

@Suite struct SourcePlacesTests {
  /// A list that was written beside a file with fewer documents says nothing.
  @Test func aListOfAnotherLengthNamesNoPlace() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    for name in ["places", "ids/documents"] { try FileSystem.makeDirectory("\(folder)/\(name)") }
    let numbers: [UInt32] = [2, 5, 1]
    try FileSystem.write(numbers.map(\.littleEndian).withUnsafeBytes { Array($0) }, to: folder + "/places/0.places")
    let files = #"{"files":[{"name":"a","unit":"line","documents":2},{"name":"b","unit":"row","documents":1}]}"#
    try FileSystem.write(Array(files.utf8), to: folder + "/places/0.json")
    func place(_ ordinal: Int, ids: Int) throws -> SourcePlaces.Place? {
      try FileSystem.write([UInt8](repeating: 7, count: 8 * ids), to: folder + "/ids/documents/0.jsonl.zst.ids")
      return try SourcePlaces.place(of: folder + "/documents/0.jsonl.zst", ordinal: ordinal)
    }
    #expect(try place(1, ids: 3) == SourcePlaces.Place(file: "a", unit: "line", number: 5))
    #expect(try place(2, ids: 3) == SourcePlaces.Place(file: "b", unit: "row", number: 1))
    #expect(try place(3, ids: 3) == nil)
    #expect(try place(1, ids: 2) == nil)
  }
}
