import static com.github.tomakehurst.wiremock.client.WireMock.*;

import com.github.tomakehurst.wiremock.client.MappingBuilder;
import com.github.tomakehurst.wiremock.client.VerificationException;
import com.github.tomakehurst.wiremock.client.WireMock;
import com.github.tomakehurst.wiremock.common.Metadata;
import com.github.tomakehurst.wiremock.stubbing.StubImport;
import com.github.tomakehurst.wiremock.stubbing.StubMapping;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Base64;

/** The calls of WireMock's own client against the stub API at the port that is given. */
public class JavaClient {
  static final HttpClient http = HttpClient.newHttpClient();
  static String base;

  static int send(HttpRequest.Builder request) throws Exception {
    return http.send(request.build(), HttpResponse.BodyHandlers.ofString()).statusCode();
  }

  static HttpRequest.Builder to(String path) {
    return HttpRequest.newBuilder(URI.create(base + path));
  }

  static HttpRequest.Builder sending(String path, String body) {
    return to(path).POST(HttpRequest.BodyPublishers.ofString(body));
  }

  static void same(Object expected, Object actual) {
    if (!expected.equals(actual)) {
      throw new AssertionError("expected " + expected + ", found " + actual);
    }
  }

  /** What takes the first request and not the second. */
  static void takes(MappingBuilder stub, HttpRequest.Builder fits, HttpRequest.Builder not)
      throws Exception {
    StubMapping mapping = stubFor(stub.willReturn(aResponse().withStatus(299)));
    same(299, send(fits));
    same(404, send(not));
    removeStub(mapping);
    same(404, send(fits));
  }

  public static void main(String[] arguments) throws Exception {
    int port = Integer.parseInt(arguments[0]);
    base = "http://localhost:" + port;
    configureFor("localhost", port);
    String user = "Basic " + Base64.getEncoder().encodeToString("u:p".getBytes());
    String form = "application/x-www-form-urlencoded";
    takes(get(urlEqualTo("/a?x=1")), to("/a?x=1"), to("/a?x=2"));
    takes(get(urlPathMatching("/v[0-9]+/.*")), to("/v12/x"), to("/vx/x"));
    takes(get(urlPathTemplate("/p/{s}")).withPathParam("s", equalTo("A")), to("/p/A"), to("/p/B"));
    takes(get("/a").withHeader("X", containing("b")), to("/a").header("X", "abc"), to("/a"));
    takes(get("/a").withBasicAuth("u", "p"), to("/a").header("Authorization", user), to("/a"));
    takes(get("/a").withHost(equalTo("localhost")), to("/a"), to("/b"));
    takes(
        get(urlPathEqualTo("/a")).withQueryParam("m", including("1", "2")),
        to("/a?m=1&m=2"), to("/a?m=1"));
    takes(
        post("/a").withFormParam("t", equalTo("W")),
        sending("/a", "t=W").header("Content-Type", form), sending("/a", "t=X"));
    takes(
        post("/a").withRequestBody(equalToJson("{\"id\":\"${json-unit.any-number}\"}")),
        sending("/a", "{\"id\":5}"), sending("/a", "{\"id\":\"5\"}"));
    takes(
        post("/a").withRequestBody(matchingJsonPath("$.items[?(@.n in [1,2])]")),
        sending("/a", "{\"items\":[{\"n\":2}]}"), sending("/a", "{\"items\":[{\"n\":3}]}"));
    takes(
        post("/a").withMultipartRequestBody(
            aMultipart().withName("f").withBody(equalTo("hello"))),
        sending("/a", "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nhello\r\n--b--\r\n")
            .header("Content-Type", "multipart/form-data; boundary=b"),
        sending("/a", "hello"));

    stubFor(get("/s").inScenario("x").whenScenarioStateIs("Started").willSetStateTo("two")
        .willReturn(ok("1")));
    stubFor(get("/s").inScenario("x").whenScenarioStateIs("two").willReturn(ok("2")));
    same(200, send(to("/s")));
    same("two", getAllScenarios().get(0).getState());
    resetAllScenarios();
    setScenarioState("x", "two");

    resetAllRequests();
    send(to("/s"));
    send(to("/none"));
    verify(1, getRequestedFor(urlEqualTo("/s")));
    try {
      verify(getRequestedFor(urlEqualTo("/nons")));
      throw new AssertionError("a verification that must fail has passed");
    } catch (VerificationException expected) {
      same(true, expected.getMessage().contains("/none"));
    }
    same(1, findUnmatchedRequests().size());
    same(1, findNearMissesForAllUnmatched().size());
    same(true, findNearMissesFor(getRequestedFor(urlEqualTo("/nonx"))).size() > 0);
    same(2, getAllServeEvents().size());
    removeServeEvent(getAllServeEvents().get(0).getId());
    removeServeEvents(getRequestedFor(anyUrl()));
    same(0, getAllServeEvents().size());

    importStubs(StubImport.stubImport()
        .stub(get("/i").withMetadata(Metadata.metadata().attr("k", "v")).willReturn(ok()))
        .build());
    same(200, send(to("/i")));
    same(1, findStubsByMetadata(matchingJsonPath("$.k")).size());
    removeStubsByMetadata(matchingJsonPath("$.k"));
    same(404, send(to("/i")));
    StubMapping edited = stubFor(get("/e").willReturn(aResponse().withStatus(201)));
    editStub(get("/e").withId(edited.getId()).willReturn(aResponse().withStatus(202)));
    same(202, send(to("/e")));
    same(edited.getId(), getSingleStubMapping(edited.getId()).getId());
    setGlobalFixedDelay(1);
    reset();
    System.out.println("done");
  }
}
