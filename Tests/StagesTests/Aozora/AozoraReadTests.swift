import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

@Suite struct AozoraReadTests {
  private static let fixtures = packagePath("Fixtures/aozora")
  private static let index = "list_person_all_extended_utf8.csv"

  private func harness(_ options: JSONValue, base: String = fixtures) throws -> StageHarness {
    try StageHarness(AozoraRead.self, options: options, base: base).run()
  }

  @Test func readsAFolderWithItsIndex() throws {
    let run = try harness(["works": "cards", "index": .string(Self.index)])
    #expect(run.ledger.imbalance == 0)
    #expect(run.ledger.input.documents == 7)
    let documents = try run.documents().sorted { $0.idString < $1.idString }
    #expect(documents.map(\.idString) == ["aozora:90001", "aozora:90002", "aozora:90004", "aozora:90006"])
    #expect(
      try run.drops().sorted { $0.id < $1.id }.map { "\($0.id) \($0.reason) \($0.survivor ?? "-")" } == [
        "aozora:90001 other-version aozora:90001", "aozora:90003 in-copyright -", "aozora:90005 licensed -",
      ])
    #expect(run.warnings == ["no-colophon": 1, "replaced-bytes": 1])
    #expect(
      String(decoding: documents[1].metadata, as: UTF8.self)
        == #"{"title":"豆を煎る歌","subtitle":"坂の町の話, \"冬\"","author":"ベルク アンナ","translator":"坂本試作","#
        + #""orthography":"新字新仮名","classification":"NDC 913","file":"900002/files/90002_ruby_102.zip/mameuta.txt"}"#)
    #expect(documents[2].textString.hasSuffix("続きを待\u{FFFD}"))
  }

  @Test func rendersTheFullNotation() throws {
    let run = try harness(["works": "cards/900001"])
    let work = try #require(try run.documents().first { $0.idString == "aozora:90001" })
    #expect(
      work.textString == """
        一　岸

        　川霧の晴れない朝、渡し舟の船頭は対岸の灯を数えていた。市の時計台が六つ鳴るまで、誰も桟橋へは降りて来ない。
        「咈と言って、昔の人はこう書いた」と老人が云う。荷札には塲という字も、読めない［魚＋夕］もあった。
        　舟はゆら〳〵、ざぶ〴〵と揺れる。ガス燈の下で、彼はcaféの看板を写した。〔備考〕は消さずに残す。
        これは手紙である。差出人は不明（筆跡は女）。

        二　町

        　帳面の第Ⅰ頁に、《星》とだけ書いてあった。カカ゚という音を、彼は鼻にかけて発音した。
        　雨が上がると町は急に明るくなり、魚屋の声が坂の上まで届いた。彼は帽子を取って、見知らぬ人にも会釈をした。
        （了）
        """)
    #expect(
      String(decoding: work.metadata, as: UTF8.self)
        == #"{"title":"渡し舟","author":"川辺試作","file":"files/90001_ruby_101/90001_ruby_101.txt"}"#)
    #expect(run.metrics["unresolvedGaiji"] == 1)
  }

  @Test func filtersByOrthography() throws {
    let run = try harness(["works": "cards", "index": .string(Self.index), "orthographies": .strings(["新字旧仮名"])])
    #expect(try run.documents().map(\.idString) == ["aozora:90006"])
    #expect(run.ledger.dropped["orthography"]?.documents == 4)
  }

  @Test func orthographyWithoutAnIndexIsAnError() throws {
    #expect { try harness(["works": "cards", "orthographies": .strings(["新字新仮名"])]) } throws: {
      "\($0)".contains("requires an index")
    }
  }

  @Test func worksThatTheIndexDoesNotListFollowTheOption() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("作品ID,作品名,著者名\n090006,旧い仮名の話,川辺 試作\n".utf8), to: folder + "/basic.csv")
    let options: [JSONMember] = [
      JSONMember("works", .string(Self.fixtures + "/cards")), JSONMember("index", .string(folder + "/basic.csv")),
    ]
    let strict = try harness(.object(options))
    #expect(try strict.documents().map(\.idString) == ["aozora:90006"])
    #expect(strict.ledger.dropped["not-indexed"]?.documents == 5)
    let lenient = try harness(.object(options + [JSONMember("notIndexed", "keep")]))
    #expect(lenient.ledger.output.documents == 5)
    #expect(lenient.ledger.dropped["licensed"]?.documents == 1)
  }

  @Test func archivesGiveWhatTheFolderGives() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let made = system(
      "cd '\(Self.fixtures)' && tar -cf '\(folder)/w.tar' cards && gzip -k '\(folder)/w.tar' && python3 -c \""
        + "import zipfile, glob; z = zipfile.ZipFile('\(folder)/w.zip', 'w'); "
        + "[z.write(p) for p in sorted(glob.glob('cards/**/*.txt', recursive=True))]\" 2>/dev/null")
    try #require(made == 0)
    func texts(_ works: String, _ partitions: Int) throws -> [String] {
      try harness(["works": .string(works), "partitions": .integer(partitions)]).documents()
        .map { "\($0.idString) \($0.textString)" }.sorted()
    }
    let expected = try texts(Self.fixtures + "/cards", 1)
    #expect(expected.count == 5)
    #expect(try texts(folder + "/w.tar", 3) == expected)
    #expect(try texts(folder + "/w.tar.gz", 4) == expected)
    #expect(try texts(folder + "/w.zip", 2) == expected.filter { !$0.hasPrefix("aozora:90002") })
  }

  /// What macOS puts into archives is no version of the work that it stands beside.
  @Test func sideFilesAreDroppedByName() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("題\n作者\n\n本文\n底本：「本」\n".utf8), to: folder + "/hon.txt")
    let made = system(
      "cd '\(folder)' && mkdir __MACOSX && cp hon.txt __MACOSX/._hon.txt && cp hon.txt ._hon.txt && mkdir w && python3 -c \""
        + "import zipfile; z = zipfile.ZipFile('w/7_ruby_1.zip', 'w'); "
        + "[z.write(p) for p in ('__MACOSX/._hon.txt', '._hon.txt', 'hon.txt', 'hon.txt')]\" 2>/dev/null")
    try #require(made == 0)
    let run = try harness(["works": .string(folder + "/w")])
    #expect(try run.documents().map { "\($0.idString) \($0.textString)" } == ["aozora:7 本文"])
    #expect(try run.drops().map(\.reason).sorted() == ["other-version", "side-file", "side-file"])
    #expect(run.ledger.imbalance == 0)
  }

  /// Files whose names hold no number are works by themselves, also where names in code page 932 or unsafe ones meet.
  @Test func membersOfOneNameAreAllRead() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(
      Array(
        """
        import io, tarfile
        names = ["一.txt", "二.txt", "a.txt", "../a.txt", "C:\\\\a.txt", "a.txt"]
        with tarfile.open("w/w.tar", "w", format=tarfile.GNU_FORMAT, encoding="cp932") as tar:
          for number, name in enumerate(names):
            text = f"題\\n作者\\n\\n本文{min(number, 4)}\\n底本：「本」\\n".encode("cp932")
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
        """.utf8), to: folder + "/make.py")
    try #require(system("cd '\(folder)' && mkdir w && python3 make.py") == 0)
    let run = try harness(["works": .string(folder + "/w"), "partitions": 2])
    #expect(
      try run.documents().map { "\($0.idString) \($0.textString)" }.sorted() == [
        "aozora:a.txt 本文2", "aozora:a.txt~2 本文3", "aozora:a.txt~3 本文4", "aozora:一.txt 本文0", "aozora:二.txt 本文1",
      ])
    #expect(
      try run.drops().map { "\($0.id) \($0.reason) \($0.survivor ?? "")" } == [
        "aozora:a.txt~4 duplicate aozora:a.txt~3"
      ])
    #expect(run.ledger.imbalance == 0)
  }

  /// However many files of a work cannot be read, its files are passed four times.
  @Test func versionsThatCannotBeReadCostNoPassEach() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(
      Array(
        """
        import io, tarfile
        with tarfile.open("w/w.tar.gz", "w:gz") as tar:
          for number in range(1500):
            text = b"a\\n\\n\\nb" if number == 3 else b"\\xeb" * 50
            member = tarfile.TarInfo(f"1_ruby_{number}.txt")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
        """.utf8), to: folder + "/make.py")
    try #require(system("cd '\(folder)' && mkdir w && python3 make.py") == 0)
    var run: StageHarness?
    let time = try ContinuousClock().measure {
      run = try harness(["works": .string(folder + "/w"), "partitions": 1])
    }
    #expect(time < .seconds(30), "\(time)")
    let done = try #require(run)
    #expect(try done.documents().map(\.textString) == ["b"] && done.ledger.imbalance == 0)
    #expect(done.ledger.dropped["undecodable"]?.documents == 1496)
    #expect(done.ledger.dropped["other-version"]?.documents == 3)
  }

  /// A work whose best file cannot be read is taken from its next best one.
  @Test func anotherVersionStandsInForADamagedOne() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let text = "題\n作者\n\n本文\n底本：「本」\n"
    try FileSystem.write(Array("PK no zip".utf8), to: folder + "/7_ruby_9.zip")
    try FileSystem.write(Array("題\n作者\n\n".utf8) + [UInt8](repeating: 0xEB, count: 50), to: folder + "/7_ruby_8.txt")
    for name in ["7_ruby_2", "7_ruby_3", "8_txt_1"] {
      try FileSystem.write(Array(text.utf8), to: folder + "/\(name).txt")
    }
    try FileSystem.write(Array("題\n作者\n\n".utf8), to: folder + "/9_ruby_1.txt")
    try FileSystem.write(Array("a".utf8), to: folder + "/9_txt_1.txt")
    let run = try harness(["works": .string(folder), "partitions": 1])
    #expect(run.ledger.imbalance == 0 && run.ledger.input.documents == 7)
    let files = try run.documents().map { try JSONValue.parse($0.metadata).value["file"]?.string ?? "" }
    #expect(files.sorted() == ["7_ruby_3.txt", "8_txt_1.txt"])
    #expect(
      try run.drops().map { "\($0.id) \($0.reason)" }.sorted() == [
        "aozora:7 damaged-archive", "aozora:7 other-version", "aozora:7 undecodable", "aozora:9 empty",
        "aozora:9 empty",
      ])
  }

  @Test func worksOfAnyLengthAreReadOrDropped() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    for (number, text) in ["", "a", "題\r", "\u{FEFF}", "題\n作者\n本文"].enumerated() {
      try FileSystem.write(Array(text.utf8), to: folder + "/\(number)_txt_1.txt")
    }
    let run = try harness(["works": .string(folder)])
    #expect(try run.documents().map(\.textString) == ["本文"])
    #expect(run.ledger.dropped["empty"]?.documents == 4)
  }

  @Test func aTruncatedArchiveIsAnErrorAndADamagedZipADrop() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try #require(
      system(
        "cd '\(Self.fixtures)' && tar -cf '\(folder)/w.tar' cards && head -c 6000 '\(folder)/w.tar' >'\(folder)/cut.tar'"
      )
        == 0)
    #expect { try harness(["works": .string(folder + "/cut.tar")]) } throws: { "\($0)".contains("ends inside") }
    try FileSystem.write(Array("PK no zip".utf8), to: folder + "/90009_ruby_1.zip")
    let run = try harness(["works": .string(folder + "/90009_ruby_1.zip")])
    #expect(try run.drops().map(\.reason) == ["damaged-archive"])
  }

  @Test func undecodableAndEmptyWorksAreDropped() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("題\n作者\n\n".utf8) + [UInt8](repeating: 0xEB, count: 50), to: folder + "/1_txt_1.txt")
    try FileSystem.write(Array("題\n作者\n\n［＃改ページ］\n底本：「本」\n".utf8), to: folder + "/2_txt_1.txt")
    try FileSystem.write(Array("題\n作者\n\n長い本文\n底本：「本」\n".utf8), to: folder + "/3_txt_1.txt")
    let run = try harness(["works": .string(folder), "maximumWorkBytes": 60])
    let drops = try run.drops().sorted { $0.id < $1.id }
    #expect(drops.map(\.reason) == ["too-large", "empty"])
    let lenient = try harness(["works": .string(folder)])
    #expect(try lenient.drops().map(\.reason).sorted() == ["empty", "undecodable"])
    #expect(try lenient.documents().map(\.textString) == ["長い本文"])
  }

  @Test func theBestFileOfAWorkIsKept() {
    func file(_ path: String) -> AozoraFile { AozoraFile(path: path) }
    let ruby = file("cards/000025/files/207_ruby_385/207_ruby_385.txt")
    #expect(ruby.work == 207 && ruby.hasRuby && ruby.revision == 385 && ruby.id == "aozora:207")
    #expect(ruby.precedes(file("x/207_txt_900.txt"), linked: nil))
    #expect(ruby.precedes(file("x/207_ruby.txt"), linked: nil))
    #expect(!ruby.precedes(file("x/207_txt_1.txt"), linked: "207_txt_1"))
    #expect(file("files/56_ruby_7.zip/hana.txt").work == 56)
    #expect(file("works.zip/56_ruby_7.txt").stem == "56_ruby_7")
    #expect(file("notes.txt").work == nil && file("a/notes.txt").id == "aozora:a/notes.txt")
  }
}
