import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// The thirty real articles, each license read by hand in its file.
@Suite struct RealArticleTests {
  /// Files that name no version of their license: sentences without a number.
  private static let attribution = [
    "journal.pbio.0030408.xml", "journal.pbio.1000359.xml", "journal.pbio.1001044.xml", "journal.pcbi.1001051.xml",
    "journal.pcbi.1001083.xml", "journal.pcbi.1002484.xml", "journal.pgen.1000052.xml", "journal.pgen.1003316.xml",
    "journal.pmed.0020171.xml", "journal.pmed.0040303.xml", "journal.pntd.0001041.xml", "journal.pone.0005723.xml",
    "journal.pone.0008519.xml", "journal.pone.0028031.xml", "journal.pone.0036880.xml", "journal.pone.0042593.xml",
    "journal.pone.0066742.xml", "journal.ppat.1002247.xml",
  ]
  private static let attribution4 = [
    "journal.pcbi.1004141.xml", "journal.pone.0111971.xml", "journal.pone.0114370.xml", "journal.pone.0115067.xml",
    "journal.pone.0116201.xml",
  ]
  private static let others = [
    "1471-2180-11-174.nxml": "CC BY 2.0 href", "1472-6831-8-11.nxml": "CC BY 2.0 href",
    "ehp-116-1694.nxml": "public domain href", "journal.pone.0081648.xml": "CC0 1.0 href",
    "6605965a.nxml": "license-unknown Copyright © 2010 Cancer Research UK",
    "mds526.nxml": "license-not-allowed CC BY-NC 3.0",
    "journal.pcbi.0030158.xml": "retracted its type is retraction",
  ]
  private static var expected: [String: String] {
    var all = others
    for name in attribution { all[name] = "CC BY wording" }
    for name in attribution4 { all[name] = "CC BY 4.0 href" }
    return all
  }

  @Test(.needsRealTexts, arguments: expected.keys.sorted())
  func license(name: String) throws {
    let run = try StageHarness(JATSExtract.self, options: ["articles": .string(realDataPath! + "/jats/" + name)]).run()
    #expect(run.ledger.imbalance == 0 && run.warnings.isEmpty, "\(run.warnings)")
    let kept = try run.documents().map { document in
      let metadata = try JSONValue.parse(document.metadata).value
      return "\(metadata["license"]?.string ?? "") \(metadata["licenseSource"]?.string ?? "")"
    }
    let dropped = try run.drops().map { "\($0.reason) \($0.detail ?? "")" }
    #expect(kept + dropped == [Self.expected[name]!])
  }

  @Test(.needsRealTexts)
  func theWholeFolderBalancesAndItsTextsAreClean() throws {
    let run = try StageHarness(JATSExtract.self, options: ["articles": .string(realDataPath! + "/jats")]).run()
    #expect(run.ledger.input.documents == 30 && run.ledger.output.documents == 27 && run.ledger.imbalance == 0)
    #expect(Self.expected.count == 30)
    for document in try run.documents() {
      let text = document.textString
      for debris in ["[]", "()", "[,", "(,", " ,", " .\n", "[–", "; )", "  ", "\u{1}", "\u{2}", "\n\n\n"] {
        #expect(!text.contains(debris), "\(document.idString) holds '\(debris)'")
      }
    }
  }
}
