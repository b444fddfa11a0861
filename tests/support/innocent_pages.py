# ruff: noqa: E501  (pages are as wide as they are)
"""Pages that are what they say, though much in them reminds of challenges. Written for these tests."""

from __future__ import annotations

from tests.support.block_pages import NAV, STYLE, Case, html

PROSE = (
    "The chair is made of oak that grew within fifty miles of the workshop. It is oiled, not painted, and "
    "carries a person of any size. Its seat is woven by hand from paper cord, which takes about a day. "
)
ARTICLE = "".join(f"<p>{PROSE}</p>" for _ in range(25))
PRODUCT = f"<h1>Oak chair</h1><p class='price'>£129.00</p><p>{PROSE}</p><p>In stock: 12</p>"
RECAPTCHA = "<script src='https://www.google.com/recaptcha/api.js' async defer></script>"
WIDGET = "<div class='g-recaptcha' data-sitekey='6Lx'></div>"
COMMENTS = (
    "<h3>Leave a comment</h3><form action='/comment' method='post'><input name='name'><input type='email' "
    f"name='email'><textarea name='text'></textarea>{WIDGET}<button>Send</button></form>{RECAPTCHA}"
)
JSD = (
    "<script>(function(){window.__CF$cv$params={r:'8f0',t:'MTcw'};var a=document.createElement('script');a.src="
    "'/cdn-cgi/challenge-platform/scripts/jsd/main.js';document.head.appendChild(a);})();</script>"
)
ABOUT_CAPTCHAS = "".join(
    "<p>A captcha asks whether you are a human or a robot. Sites show one when they see unusual traffic, with a line "
    "like: please confirm that you are not a robot. Cloudflare calls its page Just a moment, and others press and "
    "hold; a security check of this kind stops automated requests, and readers with poor eyesight.</p>"
    for _ in range(12)
)

INNOCENTS: dict[str, Case] = {
    # Scripts of vendors on ordinary pages
    "a product": Case(html("Oak chair - Shop", f"<ul>{NAV}</ul>{PRODUCT}")),
    "a product that loads recaptcha": Case(
        html("Oak chair - Shop", f"<ul>{NAV}</ul>{PRODUCT}", RECAPTCHA)
    ),
    "a short product that loads recaptcha": Case(html("Oak chair", PRODUCT, RECAPTCHA)),
    "a product behind cloudflare": Case(
        html("Oak chair", PRODUCT + JSD),
        200,
        {"Server": "cloudflare", "CF-RAY": "8f0-FRA"},
        ("__cf_bm",),
    ),
    "a product behind datadome": Case(
        html("Oak chair", PRODUCT + "<script src='https://js.datadome.co/tags.js'></script>"),
        200,
        {"X-DataDome": "protected"},
        ("datadome",),
    ),
    "a product behind imperva": Case(
        html(
            "Oak chair",
            PRODUCT + "<script src='/_Incapsula_Resource?SWJIYLWA=719d34d31c8e3a6e'></script>",
        ),
        200,
        {},
        ("visid_incap_1", "incap_ses_2"),
    ),
    "a product behind human": Case(
        html(
            "Oak chair",
            PRODUCT
            + "<script>window._pxAppId='PXabc';</script><script src='/abc/init.js'></script>",
        )
    ),
    "a product behind akamai": Case(
        html("Oak chair", PRODUCT), 200, {"Server": "AkamaiGHost"}, ("_abck", "bm_sz", "ak_bmsc")
    ),
    "a product behind aws waf": Case(
        html(
            "Oak chair",
            PRODUCT
            + "<script src='https://1.edge.sdk.awswaf.com/1/2/challenge.js' defer></script>",
        ),
        200,
        {},
        ("aws-waf-token",),
    ),
    "hidden email addresses of cloudflare": Case(
        html(
            "Contact",
            "<p>Write to <a href='/cdn-cgi/l/email-protection' class='__cf_email__'>[email&#160;protected]"
            "</a></p><p>1 Street, Town</p>",
        )
    ),
    "turnstile in a newsletter form": Case(
        html(
            "Oak chair",
            PRODUCT + "<form><input type='email'><div class='cf-turnstile'></div></form>"
            "<script src='https://challenges.cloudflare.com/turnstile/v0/api.js'></script>",
        )
    ),
    # Forms
    "a contact form with a captcha": Case(
        html(
            "Contact us",
            "<h1>Contact us</h1><form><input name='name'><input type='email'><textarea></textarea>"
            f"{WIDGET}</form>{RECAPTCHA}",
        )
    ),
    "a login with a captcha": Case(
        html(
            "Sign in",
            "<h1>Sign in</h1><p>Please complete the captcha to sign in.</p><form action='/login'>"
            f"<input type='text' name='user'><input type='password'>{WIDGET}</form>",
        )
    ),
    "a registration that asks whether you are human": Case(
        html(
            "Register",
            "<h1>Create an account</h1><form><input name='user'><input type='email'><input type="
            "'password'><label>Security check: are you human? What is 3 + 4?</label><input name='captcha'></form>",
        )
    ),
    "a search with hcaptcha": Case(
        html(
            "Search the register",
            "<form><input type='search' name='q'><div class='h-captcha'></div></form>"
            "<p>Search for companies by name or number.</p>",
        )
    ),
    "a post with comments": Case(
        html("How we weave seats", f"<h1>How we weave seats</h1>{ARTICLE}{COMMENTS}")
    ),
    "a short post with comments": Case(
        html("News", f"<h1>We are closed on Monday</h1><p>{PROSE}</p>{COMMENTS}")
    ),
    "lost password": Case(
        html(
            "Forgotten password",
            "<p>Enter your email. You are not a robot?</p><form><input type='email'>"
            f"{WIDGET}</form>",
        )
    ),
    # About the subject
    "an article about captchas": Case(
        html("What is a CAPTCHA?", f"<ul>{NAV}</ul><h1>What is a CAPTCHA?</h1>{ABOUT_CAPTCHAS}")
    ),
    "an article with a title that speaks": Case(
        html(
            "Are you a robot? Why sites ask", f"<h1>Are you a robot?</h1>{ABOUT_CAPTCHAS}{COMMENTS}"
        )
    ),
    "an article that quotes a challenge": Case(
        html(
            "Reading Cloudflare's page",
            f"<h1>How it works</h1>{ABOUT_CAPTCHAS}<pre>&lt;script&gt;window._cf_chl_opt="
            "{cvId:'3'}&lt;/script&gt; and geo.captcha-delivery.com and px-captcha</pre>",
        )
    ),
    "a stub about captchas": Case(
        html(
            "CAPTCHA",
            f"<ul>{NAV}</ul><h1>CAPTCHA</h1><p>A CAPTCHA is a test that tells people from machines. The word "
            "was made in 2003. Early ones showed distorted letters; newer ones show pictures, or watch how the pointer "
            "moves. This article about computing is a stub. You can help by adding to it.</p>",
        )
    ),
    "a library for captchas": Case(
        html(
            "django-simple-captcha 0.6",
            f"<ul>{NAV}</ul><h1>django-simple-captcha 0.6.0</h1><p>A very simple, yet powerful "
            "application to add captcha images to any form.</p><pre>pip install django-simple-captcha</pre><h2>Features</h2>"
            "<p>Very simple to set up. Generates custom challenges, for instance random letters or simple maths.</p>",
        )
    ),
    "robots for sale": Case(
        html(
            "Robot vacuum X2 | Shop",
            f"<ul>{NAV}</ul><h1>Robot vacuum X2</h1><p>This robot cleans while you are away. Security "
            "lock, blocked brush detection, human friendly.</p><p>£249</p>",
        )
    ),
    "a game called challenge": Case(
        html(
            "The challenge",
            "<h1>The challenge</h1><p>Twelve people on an island. New episode on Friday.</p>"
            "<a href='/1'>1</a>",
        )
    ),
    "a film called access denied": Case(
        html(
            "Access Denied (1997) - Films",
            f"<ul>{NAV}</ul><h1>Access Denied</h1><p>Thriller, 93 minutes. A programmer is "
            "locked out of the firm that she founded, and breaks in at night.</p><p>Rating: 5.1</p>",
        )
    ),
    "a page about ad-blocked visitors": Case(
        html(
            "Support us",
            "<h1>You have ads blocked</h1><p>Your ad blocker is on. Ad-blocked visits pay for nothing here; "
            "please allow ads on this site, or become a member.</p><a href='/join'>Join</a>",
        )
    ),
    "a question about unusual traffic": Case(
        html(
            "Unusual traffic on my server - Questions",
            f"<ul>{NAV}</ul><h1>Unusual traffic on my server</h1><p>{PROSE * 4}</p>"
            f"<p>I see automated requests from one network. Are they a bot?</p><h2>3 answers</h2>{ARTICLE}",
        )
    ),
    "a list of security checks": Case(
        html(
            "Airport security check times",
            f"<ul>{NAV}</ul><h1>Security check</h1><table><tr><td>Terminal 1</td><td>12 min</td>"
            "</tr><tr><td>Terminal 2</td><td>25 min</td></tr></table><p>Updated every minute. Be there two hours before.</p>",
        )
    ),
    # Little to read
    "an empty page": Case(""),
    "a tiny page": Case("<html><body><h1>x</h1></body></html>"),
    "a tiny item": Case(
        html("page 1", '<div class="item"><h2>item 1</h2><b>£1.50</b></div><a href="/2">2</a>')
    ),
    "an application shell": Case(
        html(
            "Shop",
            "<noscript>You need to enable JavaScript to run this app.</noscript><div id='root'></div>"
            "<script src='/static/main.js'></script>",
            RECAPTCHA,
        )
    ),
    "a moved page": Case(
        '<html><head><meta http-equiv="refresh" content="0; url=/new/place.html"></head><body>This page has moved.'
        '<a href="/new/place.html">Go there</a></body></html>'
    ),
    "a choice of language by cookie": Case(
        "<html><body><script>document.cookie='lang=en';location.href='/en/'</script></body></html>"
    ),
    "a gallery": Case(
        html("Gallery", "".join(f"<img src='/i/{n}.jpg' alt=''>" for n in range(60)))
    ),
    "json": Case(
        '{"items":[{"title":"Robot check","price":3}],"next":null}',
        200,
        {"Content-Type": "application/json"},
    ),
    "a feed": Case(
        "<?xml version='1.0'?><rss><channel><title>News</title><item><title>Human error</title></item>"
        "</channel></rss>"
    ),
    "nothing found": Case(html("Search", "<h1>Search</h1><p>No results. Check the spelling.</p>")),
    # Errors that are what they say
    "not found": Case(
        html("404 Not Found", "<h1>Not Found</h1><p>The requested URL was not found.</p>"), 404
    ),
    "plain 403 of a server": Case(
        html("403 Forbidden", "<center><h1>403 Forbidden</h1></center><hr><center>nginx</center>"),
        403,
        {"Server": "nginx"},
    ),
    "403 for want of a right": Case(
        html(
            "Forbidden",
            "<h1>Forbidden</h1><p>You don't have permission to access this resource.</p>",
        ),
        403,
    ),
    "403 for a login": Case(
        html(
            "Access denied",
            "<h1>Access denied</h1><p>You must log in to see this page.</p><form><input type='password'>"
            "</form>",
        ),
        403,
    ),
    "503 for repairs": Case(
        html(
            "Back soon",
            "<h1>We'll be back soon</h1><p>The shop is closed for maintenance until noon.</p>",
        ),
        503,
    ),
    "429 that says what it is": Case(
        html("429", "<h1>429</h1><p>Slow down: rate limit exceeded.</p>"), 429
    ),
    "members only": Case(
        html(
            "Members only",
            f"<h1>Members only</h1><p>{PROSE}</p><form action='/login'><input type='password'></form>",
        )
    ),
    # Big ones
    "a long article with a big head": Case(
        html("On oak", f"<h1>On oak</h1>{ARTICLE * 4}", STYLE * 3)
    ),
    "a forum thread about bans": Case(
        html(
            "My IP has been blocked! Help - Forum",
            f"<ul>{NAV}</ul><h1>My IP has been blocked! Help</h1><p>{PROSE * 8}</p>"
            "<p>It says access denied, complete the security check, verify you are human.</p>"
            + ARTICLE,
        )
    ),
    "a shop's layout with a captcha in its footer": Case(
        html(
            "Chairs - Shop",
            f"<ul>{NAV}</ul>"
            + "".join(
                f"<div class='item'><h2><a href='/p/{n}'>Chair {n}</a></h2><p>£{n}.00</p></div>"
                for n in range(30)
            )
            + COMMENTS
            + JSD,
        )
    ),
}
