# ruff: noqa: E501  (pages are as wide as they are)
"""Blocks and innocent pages that the detection was not made with: written last, and it was not changed for them."""

from __future__ import annotations

from tests.support.block_pages import NAV, STYLE, Case, html
from tests.support.innocent_pages import JSD, PROSE, RECAPTCHA, WIDGET

BLOCKS: dict[str, Case] = {
    "one more step": Case(
        html(
            "One more step",
            "<h1>One more step</h1><p>Please complete the security check to access www.shop.example.</p><p>Completing the captcha proves you are a human and gives you temporary access.</p><div class='g-recaptcha'></div>",
        )
    ),
    "cloudflare managed challenge in Spanish": Case(
        html(
            "Un momento&hellip;",
            "<p>Verificando que es humano.</p><script>window._cf_chl_opt={cType:'managed'};</script>",
            STYLE,
        ),
        403,
        {"Server": "cloudflare"},
    ),
    "forwarded to a captcha": Case(
        "<html><head><title>Redirecting</title></head><body><script>window.location='/captcha?back=%2Fp%2F1';</script></body></html>"
    ),
    "meta refresh to a check": Case("<meta http-equiv=refresh content='0; URL=/bot-check?u=/p/1'>"),
    "a puzzle": Case(
        html(
            "Puzzle",
            "<h1>Let's confirm you are human</h1><p>Complete the puzzle to continue.</p><div id='arkose' data-pkey='AB-12'></div>",
        )
    ),
    "a question": Case(
        html(
            "Quick question",
            "<p>To show that you are not a robot, what is 3 plus 4?</p><form method='post'><input name='human_answer'><button>Go</button></form>",
        )
    ),
    "rate limit in words": Case(
        html("Error", "<p>Too many requests from your IP address. Please slow down.</p>")
    ),
    "our robots think": Case(
        html(
            "Oops",
            "<h1>Oops! Something looks off</h1><p>We noticed unusual activity from your computer network. To continue, please tick the box: I'm not a robot.</p><iframe src='https://www.google.com/recaptcha/api2/anchor?k=1'></iframe>",
        )
    ),
    "imperva in a frame with a title": Case(
        html(
            "shop.example",
            "<iframe id='main-iframe' src='/_Incapsula_Resource?CWUDNSAI=31&xinfo=2'>Request unsuccessful. Incapsula incident ID: 8</iframe>",
        )
    ),
    "akamai, another reference": Case(
        "<html><head><title>Access Denied</title></head><body><h1>Access Denied</h1>You don't have permission to access this page.<p>Reference&#32;&#35;18&#46;ab</p></body></html>"
    ),
    "f5 in lower case": Case(
        "<html><head><title>request rejected</title></head><body>the requested url was rejected. please consult with your administrator. your support id is: 77</body></html>"
    ),
    "datadome with a name": Case(
        html(
            "pisos.example",
            "<p>Please enable JS and disable any ad blocker</p><script data-cfasync='false'>var dd={'rt':'c','cid':'x'}</script>",
        ),
        403,
    ),
    "anubis with 200": Case(
        html(
            "Making sure you're not a bot!",
            "<h1>Making sure you're not a bot!</h1><img src='/.within.website/x/cmd/anubis/static/img/pensive.webp'>",
        )
    ),
    "wait, checking": Case(
        html(
            "Please wait...",
            "<h1>Please wait while we are checking your browser</h1><p>This takes up to five seconds.</p>",
        )
    ),
    "fastly": Case(
        html(
            "Client Challenge",
            "<noscript><p>JavaScript is disabled in your browser.</p></noscript><p>A required part of this site couldn't load. Please verify your browser.</p><script src='/_fs-ch-1T1wmsGaOgGaSxcX/script.js'></script>",
        )
    ),
    "blocked by a rule": Case(
        html(
            "Blocked",
            "<h1>Request blocked</h1><p>Your request has been blocked by our security rules. Incident ID: 5-a-7.</p>",
        )
    ),
    "with navigation and footer": Case(
        html(
            "Oak chair - Shop",
            f"<ul>{NAV}</ul><h2>Are you a robot?</h2><p>We could not tell. Solve the captcha to see the product.</p><form action='/humans'>{WIDGET}</form><footer>Shop Ltd</footer>",
        )
    ),
    "polish": Case(html("Weryfikacja", f"<p>Potwierdź, że nie jestem robotem.</p>{WIDGET}")),
    "dutch": Case(html("Controle", f"<p>Bevestig dat u geen robot bent.</p><form>{WIDGET}</form>")),
    "a captcha with a select around it": Case(
        html(
            "Security check",
            "<h1>Security check</h1><p>Enter the characters you see in the picture.</p><img src='/captcha/9.png'><input name='captcha'>",
        )
    ),
}

INNOCENTS: dict[str, Case] = {
    "a chair behind everything": Case(
        html("Oak chair", f"<h1>Oak chair</h1><p>{PROSE}</p>{JSD}", RECAPTCHA),
        200,
        {"Server": "cloudflare", "X-DataDome": "protected"},
        ("datadome", "__cf_bm", "_pxvid"),
    ),
    "photographs": Case(
        html(
            "Photos",
            "<h1>Photos</h1>"
            + "".join(f"<a href='/{n}'><img src='/{n}.jpg'></a>" for n in range(40)),
        )
    ),
    "a product challenge": Case(
        html(
            "30 day challenge planner",
            "<h1>30 day challenge planner</h1><p>£7.50</p><p>In stock</p>",
        )
    ),
    "a song": Case(
        html(
            "Mr. Roboto - Lyrics",
            "<h1>Mr. Roboto</h1><p>Lyrics are shown to members.</p><form><input type='password'></form>",
        )
    ),
    "ticket": Case(
        html(
            "Ticket 418: captcha does not load",
            f"<ul>{NAV}</ul><h1>Captcha does not load</h1><p>Steps: open the form, wait. The captcha stays empty in version 3. Expected: a picture.</p><p>Status: closed</p>",
        )
    ),
    "a firewall for sale": Case(
        html(
            "Firewall F100",
            "<h1>Firewall F100</h1><p>Stops malicious bots and automated requests. Eight ports. £1,290</p>",
        )
    ),
    "a company": Case(
        html("Human Ltd", f"<h1>Human Ltd</h1><p>{PROSE}</p><p>Register number 123456. Active.</p>")
    ),
    "contact, tiny": Case(
        html(
            "Contact", f"<form><input type='email'><textarea></textarea>{WIDGET}</form>", RECAPTCHA
        )
    ),
    "signed out": Case(
        html(
            "Signed out",
            "<h1>You have been signed out</h1><p>For your security your session has ended. <a href='/login'>Sign in</a></p>",
        )
    ),
    "unavailable": Case(
        html(
            "Item unavailable",
            "<h1>Sorry, this item is unavailable</h1><p>It may be back soon.</p>",
        )
    ),
    "sold out": Case(
        html(
            "Access all areas - Tickets",
            "<h1>Access all areas</h1><p>Sold out. Entry denied to under 16s.</p>",
        )
    ),
    "javascript needed": Case(
        html(
            "Map",
            "<noscript>Please enable JavaScript to see the map.</noscript><div id='map'></div><script src='/m.js'></script>",
        )
    ),
    "a table": Case(
        html(
            "Blocked roads",
            "<h1>Blocked roads</h1><table><tr><td>A1</td><td>incident</td></tr><tr><td>B2</td><td>works</td></tr></table>",
        )
    ),
    "a definition": Case(
        html(
            "robot (noun)",
            "<h1>robot</h1><p>A machine that can do some of what a human being can.</p>",
        )
    ),
    "verification of a certificate": Case(
        html(
            "Verify a certificate",
            "<h1>Verify a certificate</h1><form action='/verify'><input name='number' type='search'></form>",
        )
    ),
    "an event": Case(
        html(
            "Robot Challenge 2026",
            f"<h1>Robot Challenge 2026</h1><p>{PROSE}</p><p>Register by 1 March.</p>",
        )
    ),
    "a redirect page": Case(
        "<html><head><title>Moved</title><meta http-equiv='refresh' content='0;url=https://www.shop.example/'></head></html>"
    ),
    "a frameset": Case(
        "<html><head><title>Old site</title></head><frameset><frame src='/main.html'></frameset></html>"
    ),
    "a poll": Case(
        html(
            "Poll",
            f"<h1>Favourite wood?</h1><form><select><option>Oak</option></select>{WIDGET}</form>",
        )
    ),
    "an excuse in a blog": Case(
        html(
            "Why you saw a captcha last week",
            f"<ul>{NAV}</ul><h1>Why you saw a captcha last week</h1><p>{PROSE * 3}</p><p>We saw unusual traffic from one network, and asked visitors to confirm that they are not robots.</p>",
        )
    ),
    "503 of a proxy": Case(
        html(
            "503 Service Unavailable",
            "<h1>503 Service Unavailable</h1><p>No server is available to handle this request.</p>",
        ),
        503,
    ),
    "401 for a name and password": Case(
        html("401 Authorization Required", "<h1>Authorization Required</h1>"),
        401,
        {"Server": "nginx"},
    ),
}
