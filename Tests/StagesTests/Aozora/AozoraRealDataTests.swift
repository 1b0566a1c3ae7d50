import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages
@testable import TextKit

/// What the notation of 9,301 real works leaves behind, and how their bytes decode.
@Suite(.serialized, .needsRealTexts) struct AozoraRealDataTests {
  private static let hasPython = system("python3 -c pass >/dev/null 2>&1") == 0
  private static let archive = (realDataPath ?? "") + "/aozora.tar.zst"

  /// How often a mark of the notation stands in the texts, by mark.
  private func residue(of documents: [Document]) -> [String: Int] {
    var counts: [String: Int] = [:]
    for document in documents {
      (document.text + [0]).withUnsafeBytes { text in
        let start = text.baseAddress!.assumingMemoryBound(to: CChar.self)
        for mark in ["《", "》", "［＃", "※［", "｜", "／＼", "底本："] {
          var at = start
          while let hit = strstr(at, mark) {
            counts[mark, default: 0] += 1
            at = UnsafePointer(hit) + 3
          }
        }
      }
    }
    return counts
  }

  @Test func readsEveryWork() throws {
    let run = try StageHarness(AozoraRead.self, options: ["works": .string(Self.archive)]).run()
    #expect(run.ledger.imbalance == 0)
    #expect(run.ledger.input.documents == 9450)
    #expect(run.ledger.output.documents == 9300)
    #expect(run.ledger.dropped["other-version"]?.documents == 149)
    // 48490 is a picture without a word of text.
    #expect(run.ledger.dropped["empty"]?.documents == 1)
    #expect(run.ledger.droppedDocuments == 150)
    #expect(run.metrics["unclosedNotes"]! <= 2)
    #expect(run.metrics["unresolvedGaiji"]! / run.metrics["gaiji"]! < 0.05)
    let residue = residue(of: try run.documents())
    // Quotation marks that the works themselves print, gaiji 1-1-52 and 1-1-53 among them.
    #expect(residue["《", default: 0] <= 120 && residue["》", default: 0] <= 120)
    #expect(residue["［＃", default: 0] <= 2)
    // ※ with a bracket but no ＃, and a description in brackets behind a ※ of the text.
    #expect(residue["※［", default: 0] <= 10)
    // Bars of tables and one｜whose base was never closed.
    #expect(residue["｜", default: 0] <= 30)
    #expect(residue["／＼", default: 0] == 0 && residue["底本：", default: 0] == 0)
  }

  @Test(.needs(hasPython, "python3 is absent")) func decodesAsPythonDoes() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let script = """
      import hashlib, sys, tarfile
      out = open(sys.argv[1], "w")
      for member in (tar := tarfile.open(fileobj=sys.stdin.buffer, mode="r|")):
          if member.isfile():
              text = tar.extractfile(member).read().decode("cp932", "replace").encode()
              out.write(f"{member.name} {hashlib.sha256(text).hexdigest()}\\n")
      """
    try FileSystem.write(Array(script.utf8), to: folder + "/decode.py")
    let tar = TarReader(try openSource(Self.archive))
    let plain = try FileSink(folder + "/works.tar")
    try plain.copy(from: try openSource(Self.archive))
    try plain.commit()
    try #require(system("python3 '\(folder)/decode.py' '\(folder)/digests' <'\(folder)/works.tar'") == 0)
    var expected: [String: String] = [:]
    for line in String(decoding: try FileSystem.read(folder + "/digests"), as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ")
      expected[String(words[0])] = String(words[1])
    }
    #expect(expected.count == 9450)
    var differing: [String] = []
    while let member = try tar.next() {
      let bytes = try tar.readMember(limit: 64 << 20)
      let text = bytes.withUnsafeBufferPointer { CP932.shared.decode($0).utf8 }
      if expected[member.name] != Digester.digest(text).hex { differing.append(member.name) }
    }
    #expect(differing.isEmpty)
  }
}
