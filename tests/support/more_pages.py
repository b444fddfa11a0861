# ruff: noqa: E501  (pages are as wide as they are)
"""Blocks and innocent pages that came after the first ones, and showed where the detection was too hasty."""

from __future__ import annotations

from tests.support.block_pages import NAV, STYLE, Case, html
from tests.support.innocent_pages import PROSE, WIDGET

BLOCKS: dict[str, Case] = {
    "qrator": Case(
        html(
            "401 Unauthorized",
            "<script src='/__qrator/qauth_utm_v2_9118.js'></script><noscript>Please enable JavaScript and cookies to continue</noscript>",
        ),
        401,
        {"Server": "QRATOR"},
    ),
    "hcaptcha wall": Case(
        html(
            "Human check",
            "<h2>One more step</h2><p>Please complete the security check to access shop.example</p><div class='h-captcha' data-sitekey='x'></div>",
        )
    ),
    "a slider": Case(
        html(
            "Verification",
            "<div class='slider'><p>Slide to verify</p></div><p>Please slide the piece to the right place.</p><form id='captcha'></form>",
        )
    ),
    "sorry, robots only": Case(
        html(
            "Sorry!",
            "<h1>Sorry!</h1><p>Our system thinks you might be a robot. Solve the captcha to prove otherwise.</p><img src='/cap.png' alt='captcha'><form><input name='captcha_answer'></form>",
        )
    ),
    "too many requests with 200": Case(
        html(
            "Too many requests",
            "<h1>Too many requests</h1><p>You have sent too many requests. Please come back later.</p>",
        )
    ),
    "blocked for a country": Case(
        html("Access blocked", "<p>Access denied. Your IP address has been flagged.</p>")
    ),
    "press the button": Case(
        html(
            "Are you human?",
            "<button id='go'>I am human</button><script src='/verify.js'></script>",
        )
    ),
    "json of a captcha": Case(
        '{"status":"error","message":"captcha required"}', 200, {"Content-Type": "application/json"}
    ),
    "interstitial by script": Case(
        "<html><head><script>function go(){document.cookie='chk=9f;max-age=600';window.location.reload();}</script></head><body onload='go()'></body></html>"
    ),
    "checking the connection": Case(
        html(
            "shop.example",
            "<h2>Checking if the site connection is secure</h2><p>shop.example needs to review the security of your connection before proceeding.</p><div class='cf-turnstile'></div>",
        )
    ),
    "press and hold, another wording": Case(
        html(
            "Robot or human?",
            "<h1>Robot or human?</h1><p>Activate and hold the button to confirm that you&rsquo;re human. Thank you!</p><div id='px-captcha'></div>",
        )
    ),
    "german": Case(
        html(
            "Sicherheitsabfrage",
            "<h1>Sind Sie ein Mensch?</h1><p>Bitte bestätigen Sie, dass Sie kein Roboter sind.</p><div class='g-recaptcha'></div>",
        )
    ),
    "spanish": Case(
        html(
            "Verificación",
            "<p>Hemos detectado tráfico inusual. Confirma que no eres un robot.</p><div class='g-recaptcha'></div>",
        )
    ),
    "with a big style": Case(
        html(
            "Bot Check",
            f"<h1>Hold on</h1><p>We need to make sure that you are not a bot.</p>{WIDGET}",
            STYLE,
        )
    ),
    "with the layout, in the heading only": Case(
        html(
            "Shop",
            f"<ul>{NAV}</ul><h1>Please verify that you are human</h1><p>Complete the captcha below to continue.</p><form action='/unblock'>{WIDGET}</form>",
        )
    ),
    "aws 405": Case(
        "<html><head><title>405 Not Allowed</title></head><body></body></html>",
        405,
        {"x-amzn-waf-action": "captcha"},
    ),
    "incapsula error page": Case(
        "<html><head><title>Error</title></head><body><iframe src='/_Incapsula_Resource?CWUDNSAI=9&incident_id=5'></iframe></body></html>",
        403,
    ),
    "reddit-like": Case(
        html(
            "Blocked",
            "<h1>whoa there, pardner!</h1><p>Your request has been blocked due to a network policy. Try logging in or creating an account here to get back to browsing. If you're running a script, please supply a unique user agent.</p>",
        )
    ),
    "linkedin-like wall": Case(
        "<html><head><script>window.onload=function(){document.cookie='trk=x';window.location.href='https://shop.example/authwall?challenge=1'}</script></head></html>"
    ),
    "datadome iframe": Case(
        html(
            "You have been blocked",
            "<iframe src='https://geo.captcha-delivery.com/interstitial/?cid=1' title='DataDome Device Check'></iframe>",
        ),
        403,
    ),
    "suspicious activity": Case(
        html(
            "Suspicious activity detected",
            "<p>We have detected suspicious activity from your network and temporarily limited access. Please try again in an hour.</p>",
        )
    ),
    "empty 200 with a header": Case("", 200, {"CF-Mitigated": "challenge"}),
}

INNOCENTS: dict[str, Case] = {
    "a job for security": Case(
        html(
            "Security Officer - Jobs",
            f"<ul>{NAV}</ul><h1>Security Officer</h1><p>You carry out the security check at the gate, verify badges and report suspicious activity.</p><p>Full time, from £24,000</p>",
        )
    ),
    "a word of the day": Case(
        html(
            "challenge - Dictionary",
            "<h1>challenge</h1><p>noun: something that needs great effort. A captcha is a challenge for machines.</p><a href='/c'>c</a>",
        )
    ),
    "a novel": Case(
        html(
            "I, Robot",
            f"<ul>{NAV}</ul><h1>I, Robot</h1><p>{PROSE}</p><p>Are you a robot? asks the detective, and is not sure of the answer.</p><p>£8.99</p>",
        )
    ),
    "a product called human": Case(
        html(
            "Human Made T-shirt",
            "<h1>Human Made T-shirt</h1><p>Cotton, printed by hand. £45. In stock: 3.</p>",
        )
    ),
    "login with a code": Case(
        html(
            "Verify your email",
            "<h1>Verify your email</h1><p>Enter the code we sent you.</p><form action='/verify'><input type='tel' name='code'></form>",
        )
    ),
    "a status page": Case(
        html(
            "Status",
            "<h1>All systems normal</h1><p>API: up. Captcha service: up. Firewall: up.</p>",
        )
    ),
    "release notes": Case(
        html(
            "Release 2.1",
            "<h1>Release 2.1</h1><ul><li>Fixed: login blocked after captcha.</li><li>New: challenge mode.</li><li>Automated requests are counted.</li></ul>",
        )
    ),
    "subscription wall": Case(
        html(
            "Subscribe to read",
            f"<h1>Oak prices rise</h1><p>{PROSE}</p><p>Subscribe to go on reading.</p><form><input type='email'></form>",
        )
    ),
    "age check": Case(
        html(
            "Are you over 18?",
            "<h1>Are you over 18?</h1><form><button name='yes'>Yes</button><button name='no'>No</button></form>",
        )
    ),
    "cookie wall": Case(
        html(
            "Before you continue",
            "<h1>Before you continue</h1><p>We use cookies to deliver and improve our services.</p><form><button>Accept all</button></form>",
        )
    ),
    "maintenance with a refresh": Case(
        "<html><head><meta http-equiv='refresh' content='60'><title>Back soon</title></head><body><p>We are updating the shop.</p></body></html>"
    ),
    "comments closed": Case(
        html(
            "A short note",
            f"<h1>A short note</h1><p>Gone fishing until Tuesday.</p><form><textarea name='c'></textarea>{WIDGET}</form>",
        )
    ),
    "booking": Case(
        html(
            "Book a table",
            f"<h1>Book a table</h1><form><select name='n'><option>2</option></select><input type='date'>{WIDGET}</form>",
        )
    ),
    "weather": Case(
        html(
            "Weather", "<h1>Town</h1><p>18 °C, light rain. Unusual heat is expected on Friday.</p>"
        )
    ),
    "traffic news": Case(
        html(
            "Unusual traffic on the A1 this morning",
            f"<ul>{NAV}</ul><h1>Unusual traffic on the A1</h1><p>{PROSE * 3}</p><p>Two lanes are blocked after an incident.</p>",
        )
    ),
    "a vote": Case(
        html(
            "Vote",
            f"<h1>Best chair of the year</h1><p>One vote for each person.</p><form><input type='email' name='e'>{WIDGET}<button>Vote</button></form>",
        )
    ),
    "a robots.txt as html": Case(
        "<html><body><pre>User-agent: *\nDisallow: /captcha\nDisallow: /challenge\n</pre></body></html>"
    ),
    "a repository of a solver": Case(
        html(
            "captcha-solver: solve captchas",
            f"<ul>{NAV}</ul><h1>captcha-solver</h1><p>Solves text captchas with a small network. Trained on a million pictures; right in nine of ten.</p><pre>pip install captcha-solver</pre>",
        )
    ),
    "help for visitors": Case(
        html(
            "Help: why do I see a captcha?",
            f"<ul>{NAV}</ul><h1>Why do I see a captcha?</h1><p>Our shop is protected against automated traffic. If you use a VPN you may be asked to confirm that you are not a robot. {PROSE} Write to us if it does not go away.</p>",
        )
    ),
    "product with reviews of a robot": Case(
        html(
            "Lawn robot L1",
            f"<ul>{NAV}</ul><h1>Lawn robot L1</h1><p>£499</p><h3>Reviews</h3><p>Blocked by a twig on day one. Not a robot for me!</p><p>Works. {PROSE}</p>",
        )
    ),
    "an offer of a test": Case(
        html("Human Test Kits", "<h1>Human test kits</h1><p>Ten for £20.</p><a href='/1'>1</a>")
    ),
    "forbidden planet": Case(
        html(
            "Forbidden Planet", "<h1>Forbidden Planet</h1><p>Film, 1956. With Robby the Robot.</p>"
        )
    ),
    "a plain 429": Case(
        html("Too Many Requests", "<h1>Too Many Requests</h1><p>nginx</p>"),
        429,
        {"Server": "nginx"},
    ),
}
