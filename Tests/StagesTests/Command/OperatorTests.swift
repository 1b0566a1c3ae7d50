import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

private let operatorJudge = PeerScript("operators.py")

/// Operators of datatrove, HojiChar and Data-Juicer as stages, against the libraries' own way of running them.
@Suite(.needs(operatorJudge.isUsable, "needs Python with datatrove, HojiChar and Data-Juicer"))
struct OperatorTests {
  static let operators: [(library: String, operators: [(name: String, options: String)])] = [
    (
      "datatrove",
      [
        ("GopherQualityFilter", #"{"min_doc_words": 10, "max_avg_word_length": 40}"#),
        ("GopherRepetitionFilter", "{}"), ("FineWebQualityFilter", "{}"),
        ("RegexFilter", #"{"regex_exp": "https?://"}"#), ("SymbolLinesFormatter", "{}"),
      ]
    ),
    (
      "hojichar",
      [
        ("DocumentNormalizer", "{}"), ("DocumentLengthFilter", #"{"min_doc_len": 300}"#), ("DiscardRareKuten", "{}"),
        ("CharRepetitionRatioFilter", "{}"), ("MaskPersonalInformation", "{}"),
      ]
    ),
    (
      "datajuicer",
      [
        ("alphanumeric_filter", #"{"min_ratio": 0.8}"#), ("average_line_length_filter", "{}"),
        ("special_characters_filter", "{}"), ("text_length_filter", #"{"min_len": 300}"#),
        ("punctuation_normalization_mapper", "{}"),
      ]
    ),
  ]

  private static let stage = """
    import json, os, sys
    sys.path.insert(0, os.path.join(sys.prefix, "operators"))
    from pipeline_stage import Document, Drop, datajuicer, datatrove, documents, hojichar

    library = {"datajuicer": datajuicer, "datatrove": datatrove, "hojichar": hojichar}[sys.argv[1]]
    operators = [(name, library(name, **options)) for name, options in json.loads(sys.argv[2])]

    @documents
    def stage(document):
        for name, operator in operators:
            copy = Document(document.id, document.text)
            result = operator(copy)
            verdict = ["dropped", result.reason] if isinstance(result, Drop) else ["kept", result or copy.text]
            document.metadata[name] = verdict

    """

  /// Real texts where there are some: starting these libraries takes longer than running them.
  @Test(arguments: [0, 1, 2]) func verdictsAreTheLibrarysOwn(library: Int) throws {
    try compare(library, realDataPath == nil ? Self.fixtures() : Self.realTexts())
  }

  /// By name, as a command without a file of one's own.
  @Test func anOperatorIsAStageByItsName() throws {
    let command = "PYTHONPATH=$PYTHONPATH:\(Self.folder) exec \(PeerScript.interpreter) -m pipeline_stage "
    let harness = try CommandWorkbench.harness(
      ["sh", "-c", command + #"hojichar DocumentNormalizer DocumentLengthFilter '{"min_doc_len": 5}'"#],
      documents: [[Document(id: "a", text: "ｶﾞｷﾞ"), Document(id: "b", text: "ｶﾞｷﾞｸﾞｹﾞｺﾞ")]]
    ).run()
    #expect(try harness.documents().map(\.textString) == ["ガギグゲゴ"])
    #expect(try harness.drops().map(\.reason) == ["DocumentLengthFilter"])
  }

  private static var folder: String { "$(\(PeerScript.interpreter) -c 'import sys; print(sys.prefix)')/operators" }

  private static func fixtures() throws -> [Document] {
    try ["cc100/ja.txt", "jats", "wikipedia/jawiki.xml"].flatMap { name -> [Document] in
      let path = packagePath("Fixtures/" + name)
      let files = FileSystem.isDirectory(path) ? try FileSystem.walk(path).map { "\(path)/\($0)" } : [path]
      return try files.flatMap { file in
        String(decoding: try FileSystem.read(file), as: UTF8.self).split(separator: "\n\n").prefix(40).enumerated()
          .map { Document(id: "\(file)/\($0.offset)", text: String($0.element)) }
      }
    }
  }

  private static func realTexts() throws -> [Document] {
    let folder = realDataPath! + "/japanese"
    return try FileSystem.list(folder).filter { $0.hasSuffix(".jsonl.zst") }.prefix(12).flatMap { name in
      let reader = try DocumentReader(path: "\(folder)/\(name)")
      return try (0..<15).compactMap { number in
        try reader.next().map { Document(id: "\(name)/\(number)", text: $0.textString) }
      }
    }
  }

  private func compare(_ library: Int, _ documents: [Document]) throws {
    let (name, operators) = Self.operators[library]
    let list = "[\(operators.map { "[\"\($0.name)\", \($0.options)]" }.joined(separator: ", "))]"
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array(Self.stage.utf8), to: folder + "/operators.py")
    let harness = try CommandWorkbench.harness(
      [PeerScript.interpreter, "operators.py", name, list], files: [folder + "/operators.py"], documents: [documents]
    ).run()
    var lines: [UInt8] = []
    for document in documents { document.append(to: &lines) }
    try FileSystem.write(lines, to: folder + "/documents.jsonl")
    let told = try #require(operatorJudge.run(name, list, folder + "/documents.jsonl"))
    var expected: [String: [String]] = [:]
    for line in told.split(separator: 10) {
      let json = try JSONValue.parse(Array(line)).value
      let key = "\(json["id"]?.string ?? "") \(json["operator"]?.string ?? "")"
      expected[key] = json["text"]?.string.map { ["kept", $0] } ?? ["dropped", json["reason"]?.string ?? ""]
    }
    #expect(expected.count == documents.count * operators.count && documents.count > 10)
    var reasons: Set<String> = []
    for document in try harness.documents() {
      let metadata = try JSONValue.parse(document.metadata).value
      for (operatorName, _) in operators {
        let own = metadata[operatorName]?.array?.compactMap(\.string)
        #expect(own == expected["\(document.idString) \(operatorName)"], "\(operatorName), \(document.idString)")
        reasons.insert(own?[0] ?? "")
      }
    }
    #expect(try reasons == ["kept", "dropped"] && harness.documents().count == documents.count)
  }
}
