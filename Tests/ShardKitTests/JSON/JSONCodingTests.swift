import Testing

@testable import ShardKit

@Suite struct JSONCodingTests {
  enum Form: String, Codable, CaseIterable { case plain, packed }

  struct Step: Codable, Equatable {
    var number: Int
    var rate: Double?
  }

  struct Job: Codable, Equatable {
    var name: String
    var form = Form.plain
    var steps: [Step] = []
    var sizes: [String: Int] = [:]
    var note: String?
    var isDone = false
  }

  private func read<T: Decodable>(
    _ type: T.Type, _ text: String, _ unknown: JSONUnknownMembers = .passedOver
  ) throws -> T { try JSONValue.parse(text).decode(type, unknownMembers: unknown) }

  private func error<T: Decodable>(
    _ type: T.Type, _ text: String, _ unknown: JSONUnknownMembers = .passedOver
  ) -> String? {
    do { _ = try read(type, text, unknown) } catch { return "\(error)" }
    return nil
  }

  @Test func membersStandInTheOrderOfDeclaration() throws {
    let job = Job(name: "が", form: .packed, steps: [Step(number: 1, rate: 0.5), Step(number: 2)], sizes: ["a": 1])
    let text =
      #"{"name":"が","form":"packed","steps":[{"number":1,"rate":0.5},{"number":2}],"sizes":{"a":1},"isDone":false}"#
    #expect(try JSONValue.encoding(job).text() == text)
    #expect(try read(Job.self, text) == job)
    #expect(try read(Step.self, #"{"rate": null, "number": 3}"#) == Step(number: 3))
  }

  @Test func errorsSayWhere() throws {
    let whole = #"{"name":"a","form":"plain","steps":[],"sizes":{},"isDone":true}"#
    #expect(error(Job.self, whole) == nil)
    #expect(error(Job.self, "[]") == "should be an object, not an array")
    #expect(error(Job.self, #"{"name":"a"}"#) == "the member 'form' is missing")
    #expect(
      error(Job.self, #"{"name":"a","form":"zip"}"#)
        == #"form: "zip" is not a valid value, one of plain, packed"#)
    #expect(
      error(Job.self, #"{"name":"a","form":"plain","steps":[{"number":1},{"number":"2"}]}"#)
        == "steps[1].number: should be an integer, not a string")
    #expect(error([Step].self, #"[{}]"#) == "[0]: the member 'number' is missing")
    #expect(
      error(Job.self, #"{"name":"a","form":"plain","steps":[],"sizes":{"7":1.5}}"#)
        == "sizes.7: should be an integer, not a number")
    #expect(error(Step.self, #"{"number":null}"#) == "number: should be an integer, not null")
    let place = #expect(throws: JSONCodingError.self) { try self.read(Step.self, #"{"number": true}"#) }
    #expect(place?.offset == 11)
    #expect(place?.path == "number")
  }

  @Test func unknownMembersAreRefusedWhereAsked() throws {
    let text = #"{"name":"a","form":"plain","steps":[{"number":1,"speed":2}],"sizes":{"x":1},"isDone":true}"#
    #expect(error(Job.self, text) == nil)
    #expect(error(Job.self, text, .refused) == "steps[0].speed: is not a known key")
    #expect(error(JSONValue.self, text, .refused) == nil)
    #expect(error([String: JSONValue].self, text, .refused) == nil)
  }

  @Test func numbersAreExact() throws {
    struct Numbers: Codable, Equatable {
      var signed = [Int64.min, .max]
      var unsigned: [UInt64] = [.max, 1 << 63, (1 << 63) - 1]
      var doubles = [0.1, 1e300, -0.0, Double.leastNonzeroMagnitude, 9_007_199_254_740_994]
      var floats: [Float] = [0.1, .greatestFiniteMagnitude, .leastNonzeroMagnitude]
      var small: [Int8] = [-128, 127]
    }
    let json = try JSONValue.encoding(Numbers())
    #expect(try json.decode(Numbers.self) == Numbers())
    #expect(try read(Numbers.self, json.text()) == Numbers())
    #expect(
      json["unsigned"] == .list([.string("18446744073709551615"), .string("9223372036854775808"), .integer(.max)]))
    #expect(error(Int8.self, "128") == "128 is not between -128 and 127")
    #expect(error(UInt64.self, "-1") == "-1 is not between 0 and 18446744073709551615")
    #expect(error(UInt64.self, #""12""#) == "should be an integer, not a string")
    #expect(error(UInt64.self, #""99999999999999999999""#) == "should be an integer, not a string")
    #expect(error(Double.self, "9007199254740993") == "9007199254740993 has too many digits for a number")
    #expect(error(Float.self, "1e300") == "1e+300 is too large")
    #expect(try read(Double.self, "3") == 3)
    let bad = #expect(throws: JSONCodingError.self) { try JSONValue.encoding(["a": [0, Double.nan]]) }
    #expect(bad?.description == "a[1]: nan cannot be represented in JSON")
  }

  @Test func valuesOfEveryKindComeBack() throws {
    let text = #"{"b":[1,2.5,null,true,{"が":"か\n"}],"a":{}}"#
    let value = try JSONValue.parse(text).value
    #expect(try JSONValue.encoding(value).text() == text)
    #expect(try value.decode(JSONValue.self) == value)
    #expect(try JSONValue.encoding([Form.plain: 1]).text() == #"["plain",1]"#)
    #expect(try JSONValue.encoding(Int?.none) == .null)
    #expect(try read([Int?].self, "[1,null,3]") == [1, nil, 3])
    #expect(try read(Form?.self, "null") == nil)
  }

  @Test func recordsHaveTheSameBytesEachTime() throws {
    struct Record: JSONRecord, Equatable {
      static let writesNull = true
      var counts: [String: [String: Int?]]
      @JSONFigures var figures: [String: Double]
      var note: String?
      var digest: Digest
    }
    let digest = Digester.digest([])
    let record = Record(
      counts: ["b": ["y": 1, "x": nil], "a": [:], "B": [:]], figures: ["z": 1, "n": .nan], note: nil, digest: digest)
    let text =
      #"{"counts":{"B":{},"a":{},"b":{"x":null,"y":1}},"figures":{"n":null,"z":1.0},"note":null,"digest":"\#(digest)"}"#
    #expect(record.json.text() == text)
    #expect(try JSONValue.encoding(record).text() == text.replacing(#""note":null,"#, with: ""))
    var read = record
    read.figures = ["z": 1]
    #expect(try Record(json: JSONValue.parse(text).value) == read)
    #expect(
      error(Record.self, text.replacing(digest.hex, with: "0"))
        == "digest: should be 64 hexadecimal digits, not '0'")
  }

  /// What a hand-written conformance may do.
  @Test func containersNest() throws {
    struct Nested: Codable, Equatable {
      enum Key: String, CodingKey { case point, list, tag }
      var x: Int
      var list: [String]

      init(x: Int, list: [String]) {
        self.x = x
        self.list = list
      }
      init(from decoder: any Decoder) throws {
        let all = try decoder.container(keyedBy: Key.self)
        x = try all.nestedContainer(keyedBy: Key.self, forKey: .point).decode(Int.self, forKey: .tag)
        var items = try all.nestedUnkeyedContainer(forKey: .list)
        list = []
        while !items.isAtEnd { list.append(try items.decode(String.self)) }
        guard x >= 0 else {
          throw DecodingError.dataCorruptedError(forKey: .point, in: all, debugDescription: "should not be below 0")
        }
      }
      func encode(to encoder: any Encoder) throws {
        var all = encoder.container(keyedBy: Key.self)
        var point = all.nestedContainer(keyedBy: Key.self, forKey: .point)
        var items = all.nestedUnkeyedContainer(forKey: .list)
        for item in list { try items.encode(item) }
        try point.encode(x, forKey: .tag)
        try all.encodeNil(forKey: .tag)
      }
    }
    let nested = Nested(x: 5, list: ["a", "b"])
    let text = #"{"point":{"tag":5},"list":["a","b"],"tag":null}"#
    #expect(try JSONValue.encoding(nested).text() == text)
    #expect(try read(Nested.self, text) == nested)
    #expect(error(Nested.self, #"{"point":{"tag":-5},"list":[]}"#) == "point: should not be below 0")
    #expect(error([String: Nested].self, #"{"q":{"point":{}}}"#) == "q.point: the member 'tag' is missing")
  }
}
